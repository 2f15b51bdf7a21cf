"""Knows a set of files by their content, and tells which of them changed."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from hub.agent.watch.host import Host, open_file
from hub.agent.watch.watcher import Memory

# Some of these files are people's own, so neither their size nor their lines are trusted.
_MAX_FILE_BYTES = 16 << 20
_MAX_TEXT_BYTES = 256 << 10
_MAX_LINES = 500
_CHUNK_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a file. The lines are those of a text file, without comments."""

    path: str
    word: str  # created, modified, deleted, permissions
    sha256: str | None
    before: str | None
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    is_all_known: bool = True  # False for a file of more lines than are compared

    @property
    def is_cosmetic(self) -> bool:
        """Whether only comments, blanks or the order of lines differ."""
        is_same = not self.added and not self.removed and self.is_all_known
        return self.word == "modified" and is_same

    def details(self) -> dict[str, str]:
        """Return what an event says of it."""
        return {"change": self.word} | ({"before": self.before} if self.before else {})


@dataclass(frozen=True, slots=True)
class _Read:
    """What one reading of a file brought: its digest, and its first lines."""

    sha256: str
    lines: Sequence[str]
    is_whole: bool


class Contents:
    """Compares files with what is remembered of them.

    A file is read when its metadata differ, so a look at unchanged ones costs a `stat` each. With
    `keeps_lines` the digest of each line is remembered, so that a change can name lines.
    """

    def __init__(self, host: Host, *, keeps_lines: bool = False) -> None:
        self._host = host
        self._keeps_lines = keeps_lines

    def changes(self, paths: Iterable[str], memory: Memory | None) -> tuple[list[Change], Memory]:
        """Return what changed since that memory, and the new one; nothing without a memory."""
        before: dict[str, Any] = {} if memory is None else memory
        after: dict[str, Any] = {}
        changes = []
        for path in paths:
            old = before.get(path)
            state, lines = self._state(path, old)
            if state is None:
                continue
            after[path] = state
            if memory is not None and (change := self._change(path, old, state, lines)):
                changes.append(change)
        gone = [path for path in before if path not in after]
        changes += [Change(path, "deleted", None, before[path]["sha256"]) for path in gone]
        return changes, after

    def _state(
        self, path: str, old: dict[str, Any] | None
    ) -> tuple[dict[str, Any] | None, Sequence[str]]:
        """Return what to remember of the file, and its lines when it was read."""
        here = self._host.path(path)
        try:
            found = here.stat()
            if old is not None and old["metadata"] == _metadata(found):
                return old, ()
            with open_file(here) as file:
                found = os.fstat(file.fileno())
                read = _read(file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None, ()
        except OSError:
            return old, ()  # not readable just now is not deleted
        state: dict[str, Any] = {
            "metadata": _metadata(found),
            "owner": [found.st_uid, found.st_gid, found.st_mode],
            "sha256": read.sha256,
        }
        if self._keeps_lines:
            state["lines"] = [_digest(line) for line in read.lines]
            state["is_whole"] = read.is_whole
        return state, read.lines

    def _change(
        self,
        path: str,
        old: dict[str, Any] | None,
        state: dict[str, Any],
        lines: Sequence[str],
    ) -> Change | None:
        if old is not None and old["sha256"] == state["sha256"]:
            if old["owner"] == state["owner"]:
                return None
            return Change(path, "permissions", state["sha256"], None)
        known = set(old.get("lines", ())) if old else set()
        kept = set(state.get("lines", ()))
        return Change(
            path,
            "created" if old is None else "modified",
            state["sha256"],
            old["sha256"] if old else None,
            [line for line in lines if _digest(line) not in known] if self._keeps_lines else [],
            sorted(known - kept),
            is_all_known=all(each.get("is_whole", True) for each in (old or {}, state)),
        )


def meaningful_lines(content: bytes) -> list[str]:
    """Return the lines that say something; comments and empty ones do not."""
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _read(file: BinaryIO) -> _Read:
    """Read a file piece by piece; only its begin is kept."""
    head = file.read(_MAX_TEXT_BYTES)
    digest, left = hashlib.sha256(head), _MAX_FILE_BYTES - len(head)
    while left > 0 and (chunk := file.read(min(_CHUNK_BYTES, left))):
        digest.update(chunk)
        left -= len(chunk)
    lines = meaningful_lines(head)
    is_whole = len(head) < _MAX_TEXT_BYTES and len(lines) <= _MAX_LINES
    return _Read(digest.hexdigest(), lines[:_MAX_LINES], is_whole)


def _metadata(found: os.stat_result) -> list[int]:
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "replace")).hexdigest()[:16]
