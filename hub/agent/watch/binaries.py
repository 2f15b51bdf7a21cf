"""Knows each running program by its SHA-256, and tells when one is new or not what it was."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.agent.configuration import ProcessSettings
from hub.agent.watch.host import Host, is_there
from hub.agent.watch.observed import ObservedEvent, digest_of
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
_MAX_NAME = 200  # a longer path is remembered by its digest
_MAX_EVENTS = 20  # each asks the package manager
_MEGABYTE = 1 << 20
_MAX_FILE_BYTES = 1 << 30
_NOT_READ = ""  # where the digest of a larger file would stand


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is to be told of a program."""

    kind: EventKind
    summary: str
    change: str
    digest: str
    before: str | None  # the digest of what ran under this name


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
        digests = {str(each[0]) for each in known.values()}
        for pid, executable in self._running():
            name = _name_of(executable)
            old = known.get(name)
            if old is not None and old[1:] == list(executable.identity):
                continue
            if left <= 0 or len(events) >= _MAX_EVENTS:
                is_complete = False
                break
            left -= executable.size if executable.size <= _MAX_FILE_BYTES else 0
            digest = _digest_of(self._host, pid, executable)
            if digest is None:
                continue
            known.pop(name, None)  # it is the newest now
            known[name] = [digest, *executable.identity]
            before = str(old[0]) if old else None
            is_known = digest in digests and digest != _NOT_READ
            if not is_learning and (before != digest or digest == _NOT_READ):
                finding = self._finding(executable, digest, before, is_known=is_known)
                if finding is not None:
                    events.append(self._event(pid, executable, finding, now))
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

    def _event(
        self, pid: int, executable: Executable, finding: _Finding, now: datetime
    ) -> ObservedEvent:
        proc, details = self._host.proc, {"change": finding.change}
        if finding.before:
            details["before"] = finding.before
        if finding.digest == _NOT_READ:
            details["not_read"] = f"{executable.size // _MEGABYTE} MB are too much"
        if not executable.is_deleted and (owner := ownership_of(self._host, executable.path)):
            details |= owner.details()
        return ObservedEvent(
            kind=finding.kind,
            at=now,
            summary=finding.summary,
            process=name_of(proc, pid),
            path=executable.path,
            command=command_of(proc, pid),
            user=user_of(proc, pid),
            sha256=finding.digest or None,
            details=details | {"parent": name_of(proc, parent_of(proc, pid))},
        )

    def _finding(
        self, executable: Executable, digest: str, before: str | None, *, is_known: bool
    ) -> _Finding | None:
        """Return what is to be told; None for what an update leaves behind.

        That ran before the update, so its digest is known. What nobody ever saw, and has another
        file in its place already, hides.
        """
        path, changed = executable.path, EventKind.BINARY_CHANGED
        if executable.is_deleted and not is_there(self._host.path(path)):
            return _Finding(changed, f"{path} runs and was deleted", "deleted", digest, before)
        if executable.is_deleted:
            summary = f"{path} runs, and another file is in its place"
            return None if is_known else _Finding(changed, summary, "replaced", digest, before)
        if before is None:
            summary = f"{path} runs for the first time"
            return _Finding(EventKind.PROCESS_STARTED, summary, "new", digest, None)
        return _Finding(changed, f"{path} is not the program it was", "content", digest, before)


def _digest_of(host: Host, pid: int, executable: Executable) -> str | None:
    """Return the digest of what the process runs: through /proc, so of a deleted file as well.

    Of a file that is too large it is empty; None when there is nothing to be read any more.
    """
    if executable.size > _MAX_FILE_BYTES:
        return _NOT_READ
    try:
        with (host.proc / str(pid) / "exe").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _name_of(executable: Executable) -> str:
    """Return under what a program is remembered: paths may be 4 KB long, and there are many."""
    path = executable.shown_path
    return path if len(path) <= _MAX_NAME else digest_of(path)
