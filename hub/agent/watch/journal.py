"""Logins from systemd's journal, where no files are written: `journalctl --follow` into a pipe.

One long-lived reader costs nothing while nothing happens; starting journalctl for every look would
be the agent's largest expense.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hub.agent.watch.origin import is_genuine, runners_of
from hub.agent.watch.syslog import LogRecord

_PROGRAM = "journalctl"
# The facilities auth and authpriv; alternatives of one field are joined by `or`. What nobody would
# be believed is left out here already: a flood of forged lines costs the agent nothing.
_FACILITIES = ("SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10")
_MATCHES = (*_FACILITIES, "_UID=0", "+", *_FACILITIES, "_COMM=sudo", "_COMM=sudo-rs", "_COMM=su")
_MAX_LINE_BYTES = 256 << 10
_TIMEOUT_SECONDS = 10


class Journal:
    """Follows the journal from a cursor on."""

    def __init__(self, command: Sequence[str] = (_PROGRAM,)) -> None:
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    @staticmethod
    def is_available() -> bool:
        """Tell whether this machine has a journal to be read."""
        return shutil.which(_PROGRAM) is not None

    def newest_cursor(self) -> str:
        """Return where the journal ends; empty when nothing was ever logged."""
        done = subprocess.run(  # noqa: S603 - a fixed command
            [*self._command, "--quiet", "--output=json", "--lines=1", *_MATCHES],
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
        entry = _entry(done.stdout.strip())
        return str(entry.get("__CURSOR", "")) if entry else ""

    def read(self, cursor: str, *, max_bytes: int) -> tuple[list[LogRecord], str]:
        """Return what was logged after the cursor and has arrived by now, and the new cursor."""
        if self._process is None or self._process.poll() is not None:
            self._start(cursor)
        records = []
        for line in self._arrived(max_bytes):
            entry = _entry(line)
            if entry and isinstance(entry.get("__CURSOR"), str):
                cursor = entry["__CURSOR"]
                record = _record(entry, cursor)
                if record is not None:
                    records.append(record)
        return records, cursor

    def close(self) -> None:
        """End the reader."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _start(self, cursor: str) -> None:
        self.close()
        self._buffer = b""
        after = f"--after-cursor={cursor}" if cursor else "--since=now"
        self._process = subprocess.Popen(  # noqa: S603 - a fixed command
            [*self._command, "--quiet", "--output=json", "--follow", "--no-tail", after, *_MATCHES],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)

    def _arrived(self, max_bytes: int) -> list[bytes]:
        """Return the whole lines that are in the pipe; a longer one than any login is dropped."""
        if self._process is None or self._process.stdout is None:
            return []
        descriptor = self._process.stdout.fileno()
        chunks = [self._buffer]
        with suppress(BlockingIOError):
            while max_bytes > 0 and (chunk := os.read(descriptor, 64 << 10)):
                chunks.append(chunk)
                max_bytes -= len(chunk)
        *whole, self._buffer = b"".join(chunks).split(b"\n")
        if len(self._buffer) > _MAX_LINE_BYTES:
            self._buffer = b""
        return whole


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _record(entry: dict[str, Any], cursor: str) -> LogRecord | None:
    message = _text(entry.get("MESSAGE"))
    try:
        at = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000, UTC)
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        return None
    program = _text(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM"))
    if not is_genuine(entry, program):
        return None
    pid = _text(entry.get("_PID"))  # SYSLOG_PID is what the writer says
    return LogRecord(
        at=at,
        program=program,
        pid=int(pid) if pid.isdecimal() else None,
        message=message,
        raw=f"{program}[{pid}]: {message}",
        position=cursor,
        run_by=runners_of(entry),
    )


def _text(value: object) -> str:
    """Return a field's text; the journal writes what is not UTF-8 as a list of bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        with suppress(ValueError, TypeError):
            return bytes(value).decode("utf-8", "replace")
    return ""
