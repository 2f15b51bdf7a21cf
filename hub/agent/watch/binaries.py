"""Knows each running program by its SHA-256, and tells when one is new or not what it was."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hub.agent.configuration import ProcessSettings
from hub.agent.watch.host import Host
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.ownership import ownership_of
from hub.agent.watch.procs import (
    Executable,
    command_of,
    executable_of,
    name_of,
    parent_of,
    process_ids,
    user_of,
)
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_MAX_KNOWN = 5_000
_MAX_EVENTS = 20  # each asks the package manager
_MEGABYTE = 1 << 20
_MAX_FILE_BYTES = 1 << 30


class BinaryWatcher(Resting):
    """Tells of programs that never ran before, that changed, or that are gone while they run.

    A file is read again only when device, inode, size or time of change differ. What does not fit
    into one look is read in the next; until all is known that ran at the first look, nothing is
    told. Programs of containers are left out: their files are those of images, which differ.
    """

    name = "binaries"
    every_seconds = 10.0

    def __init__(self, settings: ProcessSettings, host: Host) -> None:
        self._folders = tuple(f"{folder.rstrip('/')}/" for folder in settings.temporary_folders)
        self._max_bytes = settings.max_hashed_megabytes * _MEGABYTE
        self._host = host

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Compare what runs with what is known."""
        known: dict[str, list[Any]] = {} if memory is None else dict(memory["known"])
        is_learning = memory is None or memory["is_learning"]
        events: list[ObservedEvent] = []
        left, is_complete = self._max_bytes, True
        for pid, executable in self._running():
            old = known.get(executable.shown_path)
            if old is not None and old[1:] == list(executable.identity):
                continue
            if left <= 0 or len(events) >= _MAX_EVENTS:
                is_complete = False
                break
            left -= min(executable.size, _MAX_FILE_BYTES)
            digest = _digest_of(self._host, pid, executable)
            if digest is None:
                continue
            known.pop(executable.shown_path, None)  # it is the newest now
            known[executable.shown_path] = [digest, *executable.identity]
            before = str(old[0]) if old else None
            if not is_learning and before != digest:
                events += self._events(pid, executable, digest, before, now)
        told = dict(list(known.items())[-_MAX_KNOWN:])
        memory = {"known": told, "is_learning": is_learning and not is_complete}
        return Look(events, memory, has_more=not is_complete)

    def _running(self) -> list[tuple[int, Executable]]:
        """Return each program of the host that runs, once, with one process that runs it."""
        found: dict[str, tuple[int, Executable]] = {}
        for pid in process_ids(self._host.proc):
            executable = executable_of(self._host.proc, pid)
            if executable is None or executable.is_in_memory:
                continue
            if executable.path.startswith(self._folders):  # those are told as such
                continue
            if executable.shown_path not in found and self._is_of_host(executable):
                found[executable.shown_path] = (pid, executable)
        return list(found.values())

    def _is_of_host(self, executable: Executable) -> bool:
        """Tell whether the path means the same file system to the host as to the process."""
        path = self._host.path(executable.path)
        try:
            return (path.parent if executable.is_deleted else path).stat().st_dev == (
                executable.device
            )
        except OSError:
            return False

    def _events(
        self, pid: int, executable: Executable, digest: str, before: str | None, now: datetime
    ) -> Iterator[ObservedEvent]:
        words = self._words(executable, before)
        if words is None:
            return
        kind, summary, change = words
        proc, details = self._host.proc, {"change": change}
        if before is not None:
            details["before"] = before
        if not executable.is_deleted and (owner := ownership_of(self._host, executable.path)):
            details |= owner.details()
        yield ObservedEvent(
            kind=kind,
            at=now,
            summary=summary,
            process=name_of(proc, pid),
            path=executable.path,
            command=command_of(proc, pid),
            user=user_of(proc, pid),
            sha256=digest,
            details=details | {"parent": name_of(proc, parent_of(proc, pid))},
        )

    def _words(
        self, executable: Executable, before: str | None
    ) -> tuple[EventKind, str, str] | None:
        """Return kind, summary and change; None for what an update leaves behind."""
        path = executable.path
        if executable.is_deleted:
            if self._host.path(path).exists():  # another file is there: the process is the old one
                return None
            return EventKind.BINARY_CHANGED, f"{path} runs and was deleted", "deleted"
        if before is None:
            return EventKind.PROCESS_STARTED, f"{path} runs for the first time", "new"
        return EventKind.BINARY_CHANGED, f"{path} is not the program it was", "content"


def _digest_of(host: Host, pid: int, executable: Executable) -> str | None:
    """Return the digest of what the process runs: through /proc, so of a deleted file as well."""
    if executable.size > _MAX_FILE_BYTES:
        return None
    try:
        with (host.proc / str(pid) / "exe").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
