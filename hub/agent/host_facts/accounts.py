"""Who has an account on the host, and who may become root."""

from dataclasses import asdict
from typing import Any

from hub.agent.watch.accounts_file import read_accounts, read_groups
from hub.agent.watch.host import Host
from hub.agent.watch.observed import one_line
from hub.agent.watch.sudoers import read_sudo_rules

_MAX_ACCOUNTS = 2_000
_MAX_GROUPS = 64
_MAX_RULES = 500


def read_account_facts(host: Host) -> list[dict[str, Any]] | None:
    """Return the accounts with their groups; None when they cannot be read."""
    accounts, groups = read_accounts(host), read_groups(host)
    if accounts is None or groups is None:
        return None
    names = {number: name for name, (number, _) in groups.items()}
    of_member: dict[str, set[str]] = {}
    for group, (_, members) in groups.items():
        for member in members:
            of_member.setdefault(member, set()).add(group)
    return [
        {
            "name": one_line(account.name, 64),
            "uid": account.uid,
            "shell": one_line(account.shell, 200),
            "can_log_in": account.can_log_in,
            "groups": [
                one_line(group, 64)
                for group in sorted(
                    of_member.get(account.name, set())
                    | ({names[account.gid]} if account.gid in names else set())
                )[:_MAX_GROUPS]
            ],
        }
        for account in accounts[:_MAX_ACCOUNTS]
    ]


def read_sudoers_facts(host: Host) -> list[dict[str, Any]]:
    """Return the rules of sudo."""
    return [
        asdict(rule)
        | {
            "who": one_line(rule.who, 64),
            "rule": one_line(rule.rule, 500),
            "path": one_line(rule.path, 1024),
        }
        for rule in read_sudo_rules(host)[:_MAX_RULES]
    ]
