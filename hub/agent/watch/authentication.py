"""Watches who logs in, who fails to, and who becomes somebody else."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hub.agent.configuration import LogSettings
from hub.agent.watch.accounts_file import Account, read_accounts
from hub.agent.watch.accounts_log import read_account_message
from hub.agent.watch.folding import fold
from hub.agent.watch.host import Host, is_there
from hub.agent.watch.journal import Journal
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.sshd import PROGRAMS, Attempts, read_sshd
from hub.agent.watch.syslog import LogRecord, parse_line
from hub.agent.watch.tail import MAX_BYTES_A_LOOK, read_tail
from hub.agent.watch.watcher import Look, Memory

# What a line must hold to be worth taking apart; most lines of these logs are none of ours.
_WORTH_READING = ("sshd", "sudo", "su", "user", "passwd", "authentication failure")


class AuthenticationWatcher:
    """Follows the authentication logs, or the journal where there are none."""

    name = "authentication"
    every_seconds = 2.0

    def __init__(
        self,
        settings: LogSettings,
        host: Host,
        *,
        journal: Journal | None = None,
        max_bytes: int = MAX_BYTES_A_LOOK,
    ) -> None:
        self._settings = settings
        self._host = host
        self._journal = journal or Journal()
        self._max_bytes = max_bytes

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Read what was logged since the last look."""
        memories: dict[str, Any] = {} if memory is None else memory["logs"]
        attempts = Attempts(memory["attempts"] if memory else None)
        records: list[LogRecord] = []
        has_more, left = False, {}
        for path in self._settings.authentication:
            tail = read_tail(
                self._host.path(path),
                memories.get(path),
                now=now.timestamp(),
                max_bytes=self._max_bytes,
            )
            left[path] = tail.memory
            has_more |= tail.has_more
            records += _records(((line.text, line.position) for line in tail.lines), now)
        cursor = self._read_journal(memory, records)
        observed = self._observed(records, attempts)
        told = {"logs": left, "cursor": cursor, "attempts": attempts.memory(now)}
        return Look(fold(observed), told, has_more=has_more)

    def close(self) -> None:
        """End the journal's reader."""
        self._journal.close()

    def _read_journal(self, memory: Memory | None, records: list[LogRecord]) -> str | None:
        """Add what the journal holds to the records; return its cursor, or None without it."""
        mode = self._settings.journal
        has_files = any(is_there(self._host.path(p)) for p in self._settings.authentication)
        if mode == "never" or (mode == "auto" and (has_files or not Journal.is_available())):
            return None
        if memory is None or memory["cursor"] is None:
            return self._journal.newest_cursor()
        found, cursor = self._journal.read(memory["cursor"], max_bytes=self._max_bytes)
        records += found
        return cursor

    def _observed(
        self, records: list[LogRecord], attempts: Attempts
    ) -> list[tuple[ObservedEvent, str]]:
        """Return what the records tell, and where they stood."""
        accounts = None
        observed = []
        for record in records:
            event = _read(record, attempts)
            if event is not None and record.run_by:
                accounts = read_accounts(self._host) or [] if accounts is None else accounts
                event = event if _is_of_runner(event, record, accounts) else None
            if event is not None:
                observed.append((event, record.position))
        return observed


def _is_of_runner(event: ObservedEvent, record: LogRecord, accounts: list[Account]) -> bool:
    """Tell whether sudo or su speaks of whoever ran it.

    An account that `/etc/passwd` does not know is of a directory, whose names are not asked for.
    """
    names = {account.name for account in accounts if account.uid in record.run_by}
    return not names or event.details.get("by", event.user) in names


def _records(lines: Iterable[tuple[str, str]], now: datetime) -> list[LogRecord]:
    return [
        record
        for text, position in lines
        if any(word in text for word in _WORTH_READING)
        and (record := parse_line(text, now=now, position=position)) is not None
    ]


def _read(record: LogRecord, attempts: Attempts) -> ObservedEvent | None:
    if record.program in PROGRAMS:
        return read_sshd(record, attempts)
    return read_account_message(record)
