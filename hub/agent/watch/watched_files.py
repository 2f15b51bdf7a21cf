"""Watches files by their content: keys, cron, sudoers, preloads, and those that were named."""

from collections.abc import Callable, Sequence
from datetime import datetime

from hub.agent.watch.accounts_file import read_accounts
from hub.agent.watch.contents import Change, Contents
from hub.agent.watch.host import Host
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.ownership import ownership_of
from hub.agent.watch.ssh_keys import fingerprint
from hub.agent.watch.sudoers import FILES, parse_sudo_rules
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_CRON = (
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/crontabs/*",
    "/var/spool/cron/*",
)
_KEY_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_PRELOAD = ("/etc/ld.so.preload",)
_MAX_EVENTS = 100
_MAX_NAMED = 5

type Paths = Callable[[], Sequence[str]]
type Describe = Callable[[Change, datetime], list[ObservedEvent]]


class FileWatcher(Resting):
    """Tells of changes of one set of files in the words of one kind of event."""

    every_seconds = 5.0

    def __init__(
        self, name: str, host: Host, paths: Paths, describe: Describe, *, keeps_lines: bool = True
    ) -> None:
        self.name = name
        self._host = host
        self._paths = paths
        self._describe = describe
        self._contents = Contents(host, keeps_lines=keeps_lines)

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Compare the files with what they were."""
        files = None if memory is None else memory["files"]
        changes, after = self._contents.changes(self._paths(), files)
        events = [
            event for change in changes[:_MAX_EVENTS] for event in self._describe(change, now)
        ]
        return Look(events, {"files": after})


def file_watchers(host: Host, *, integrity: Sequence[str]) -> list[FileWatcher]:
    """Return a watcher for each set of files that an intruder likes to change."""
    describe = _Describer(host)
    return [
        FileWatcher("keys", host, lambda: key_files(host), describe.keys),
        FileWatcher("cron", host, lambda: host.matches(_CRON), describe.cron),
        FileWatcher("sudoers", host, lambda: host.matches(FILES), describe.sudoers),
        FileWatcher("preload", host, lambda: host.matches(_PRELOAD), describe.preload),
        FileWatcher(
            "integrity", host, lambda: host.matches(integrity), describe.file, keeps_lines=False
        ),
    ]


def key_files(host: Host) -> list[str]:
    """Return the files of all accounts' SSH keys that are there."""
    homes = {account.home.rstrip("/") for account in read_accounts(host) or ()} | {"/root"}
    return host.matches(f"{home}/{name}" for home in sorted(homes) for name in _KEY_FILES if home)


class _Describer:
    """Turns the change of a file into events."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def keys(self, change: Change, now: datetime) -> list[ObservedEvent]:
        """Say whose keys changed, and which were added."""
        accounts = read_accounts(self._host) or ()
        user = next((a.name for a in accounts if change.path.startswith(f"{a.home.rstrip('/')}/")
                     and a.home != "/"), None)  # fmt: skip
        added = [fingerprint(line) for line in change.added[:_MAX_NAMED]]
        details = change.details() | ({"added": ", ".join(added)} if added else {})
        if change.is_cosmetic:
            return []
        return [self._event(EventKind.AUTHORIZED_KEYS_CHANGED, change, now, details, user=user)]

    def cron(self, change: Change, now: datetime) -> list[ObservedEvent]:
        """Say which lines a cron job gained."""
        if change.is_cosmetic:
            return []
        details = change.details() | self._owner(change)
        if change.added:
            details["added"] = "; ".join(change.added[:_MAX_NAMED])
        user = change.path.rpartition("/")[2] if "/spool/cron/" in change.path else None
        return [self._event(EventKind.CRON_CHANGED, change, now, details, user=user)]

    def sudoers(self, change: Change, now: datetime) -> list[ObservedEvent]:
        """Say who was granted something; each one is news of its own."""
        rules = parse_sudo_rules("\n".join(change.added), path=change.path)
        names = list(dict.fromkeys(rule.who for rule in rules if rule.who != "root"))[:_MAX_EVENTS]
        details = change.details() | self._owner(change)
        if not names:
            if change.is_cosmetic:
                return []
            return [self._event(EventKind.SUDOERS_CHANGED, change, now, details)]
        return [
            self._event(
                EventKind.SUDOERS_CHANGED, change, now,
                details | {"granted": "; ".join(rule.rule for rule in rules if rule.who == name)},
                user=name,
            )
            for name in names
        ]  # fmt: skip

    def preload(self, change: Change, now: datetime) -> list[ObservedEvent]:
        """Say which library every program loads first from now on."""
        details = change.details() | self._owner(change)
        if change.added:
            details["library"] = change.added[0]
        return [self._event(EventKind.PRELOAD_CHANGED, change, now, details)]

    def file(self, change: Change, now: datetime) -> list[ObservedEvent]:
        """Say that a file changed."""
        details = change.details() | self._owner(change)
        return [self._event(EventKind.FILE_CHANGED, change, now, details)]

    def _owner(self, change: Change) -> dict[str, str]:
        owner = None if change.sha256 is None else ownership_of(self._host, change.path)
        return owner.details() if owner else {}

    @staticmethod
    def _event(
        kind: EventKind,
        change: Change,
        now: datetime,
        details: dict[str, str],
        *,
        user: str | None = None,
    ) -> ObservedEvent:
        word = "given other permissions" if change.word == "permissions" else change.word
        return ObservedEvent(
            kind=kind,
            at=now,
            summary=f"{change.path} was {word}",
            user=user,
            path=change.path,
            sha256=change.sha256,
            details=details,
        )
