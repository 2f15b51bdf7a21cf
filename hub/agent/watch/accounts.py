"""Watches for accounts that are added, and for those that become administrators."""

import time
from collections.abc import Iterator
from datetime import datetime

from hub.agent.watch.accounts_file import Account, read_accounts, read_groups
from hub.agent.watch.accounts_log import (
    ADMIN_GROUPS,
    FIRST_PERSON_UID,
    joined_key,
    user_added_key,
)
from hub.agent.watch.host import Host
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_PACKAGE_DATABASES = ("/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/lib/apk/db/installed")
_PACKAGES_BUSY_SECONDS = 600.0
_MAX_EVENTS = 200


class AccountWatcher(Resting):
    """Compares `/etc/passwd` and `/etc/group` with what they said before."""

    name = "accounts"
    every_seconds = 5.0

    def __init__(self, host: Host) -> None:
        self._host = host

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Tell of new accounts, of such that became root, and of new administrators."""
        accounts, groups = read_accounts(self._host), read_groups(self._host)
        if accounts is None or groups is None:
            return Look([], memory or {"uids": {}, "admins": []})
        uids = {account.name: account.uid for account in accounts}
        admins = sorted(
            f"{member} {group}" for group in ADMIN_GROUPS & groups.keys()
            for member in groups[group][1]
        )  # fmt: skip
        events: list[ObservedEvent] = []
        if memory is not None:
            for account in accounts:
                events += self._about(account, memory["uids"].get(account.name), now)
            new = sorted(set(admins) - set(memory["admins"]))
            events += [_joined(member, now) for member in new]
        return Look(events[:_MAX_EVENTS], {"uids": uids, "admins": admins})

    def _about(
        self, account: Account, old_uid: int | None, now: datetime
    ) -> Iterator[ObservedEvent]:
        if old_uid is None:
            yield ObservedEvent(
                kind=EventKind.USER_ADDED,
                at=now,
                summary=f"The account {account.name} was added",
                key=user_added_key(account.name, str(account.uid), now),
                user=account.name,
                path="/etc/passwd",
                details={
                    "uid": str(account.uid),
                    "shell": account.shell,
                    **self._made_by(account),
                },
            )
        if account.uid == 0 and old_uid != 0 and account.name != "root":
            yield ObservedEvent(
                kind=EventKind.SUDOERS_CHANGED,
                at=now,
                summary=f"The account {account.name} is root: its number is 0",
                user=account.name,
                path="/etc/passwd",
                details={"change": "granted", "uid": "0"},
            )

    def _made_by(self, account: Account) -> dict[str, str]:
        """Return that a package manager made it: a service's account, while packages change."""
        if account.uid >= FIRST_PERSON_UID or account.can_log_in or account.uid == 0:
            return {}
        for path in _PACKAGE_DATABASES:
            try:
                age = time.time() - self._host.path(path).stat().st_mtime
            except OSError:
                continue
            if age < _PACKAGES_BUSY_SECONDS:
                return {"parent": "dpkg" if "dpkg" in path else "rpm" if "rpm" in path else "apk"}
        return {}


def _joined(membership: str, now: datetime) -> ObservedEvent:
    user, _, group = membership.partition(" ")
    return ObservedEvent(
        kind=EventKind.SUDOERS_CHANGED,
        at=now,
        summary=f"{user} became a member of {group}",
        key=joined_key(user, group, now),
        user=user,
        path="/etc/group",
        details={"change": "granted", "group": group},
    )
