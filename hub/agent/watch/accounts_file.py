"""Reads the host's accounts and groups."""

import re
from dataclasses import dataclass

from hub.agent.watch.host import Host

_MAX_ACCOUNTS = 10_000
_NUMBER = re.compile(r"[0-9]{1,10}")
_LARGEST_ID = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Account:
    """One line of `/etc/passwd`."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str

    @property
    def can_log_in(self) -> bool:
        """Whether its shell is one."""
        return not self.shell.endswith(("/nologin", "/false", "/sync", "/halt", "/shutdown"))


def read_accounts(host: Host) -> list[Account] | None:
    """Return the accounts, in the file's order; None when the file cannot be read."""
    text = host.text("/etc/passwd")
    if text is None:
        return None
    accounts = []
    for line in _lines(text):
        fields = line.split(":")
        is_account = len(fields) == 7 and _is_id(fields[2]) and _is_id(fields[3])  # noqa: PLR2004 - passwd(5)
        if is_account and fields[0] and not fields[0].startswith(("#", "+", "-")):
            name, _, uid, gid, _, home, shell = fields
            accounts.append(Account(name, int(uid), int(gid), home, shell or "/bin/sh"))
    return accounts


def read_groups(host: Host) -> dict[str, tuple[int, list[str]]] | None:
    """Return number and members of each group; None when the file cannot be read."""
    text = host.text("/etc/group")
    if text is None:
        return None
    groups = {}
    for line in _lines(text):
        fields = line.split(":")
        if len(fields) == 4 and fields[0] and _is_id(fields[2]):  # noqa: PLR2004 - group(5)
            members = [member for member in fields[3].strip().split(",") if member]
            groups[fields[0]] = (int(fields[2]), members)
    return groups


def _lines(text: str) -> list[str]:
    """Return the lines. Only a line feed ends one: a person's full name may hold other breaks."""
    return text.split("\n")[:_MAX_ACCOUNTS]


def _is_id(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and int(text) <= _LARGEST_ID
