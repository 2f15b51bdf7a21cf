"""Knows a set of files by their content, and tells which of them changed."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hub.agent.watch.host import Host
from hub.agent.watch.watcher import Memory

_MAX_FILE_BYTES = 16 << 20
_MAX_TEXT_BYTES = 256 << 10
_MAX_LINES = 500


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a file. The lines are those of a text file, without comments."""

    path: str
    word: str  # created, modified, deleted, permissions
    sha256: str | None
    before: str | None
    added: Sequence[str] = ()
    removed: Sequence[str] = ()

    def details(self) -> dict[str, str]:
        """Return what an event says of it."""
        return {"change": self.word} | ({"before": self.before} if self.before else {})


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
            state = self._state(path, old)
            if state is None:
                continue
            after[path] = state
            if memory is not None and (change := self._change(path, old, state)):
                changes.append(change)
        gone = [path for path in before if path not in after]
        changes += [Change(path, "deleted", None, before[path]["sha256"]) for path in gone]
        return changes, after

    def _state(self, path: str, old: dict[str, Any] | None) -> dict[str, Any] | None:
        here = self._host.path(path)
        try:
            stat = here.stat()
            if not here.is_file():
                return None
            metadata = [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
            if old is not None and old["metadata"] == metadata:
                return old
            with here.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return old  # not readable just now is not deleted
        state = {
            "metadata": metadata,
            "owner": [stat.st_uid, stat.st_gid, stat.st_mode],
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        if self._keeps_lines:
            state["lines"] = [_digest(line) for line in meaningful_lines(content)]
        return state

    def _change(
        self, path: str, old: dict[str, Any] | None, state: dict[str, Any]
    ) -> Change | None:
        if old is not None and old["sha256"] == state["sha256"]:
            if old["owner"] == state["owner"]:
                return None
            return Change(path, "permissions", state["sha256"], None)
        added, removed = self._lines(path, old, state)
        word = "created" if old is None else "modified"
        return Change(path, word, state["sha256"], old["sha256"] if old else None, added, removed)

    def _lines(
        self, path: str, old: dict[str, Any] | None, state: dict[str, Any]
    ) -> tuple[list[str], list[str]]:
        if not self._keeps_lines:
            return [], []
        known = set(old["lines"]) if old else set()
        text = self._host.text(path, max_bytes=_MAX_TEXT_BYTES) or ""
        added = [line for line in meaningful_lines(text.encode()) if _digest(line) not in known]
        return added, sorted(known - set(state["lines"]))


def meaningful_lines(content: bytes) -> list[str]:
    """Return the lines that say something; comments and empty ones do not."""
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")][:_MAX_LINES]


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "replace")).hexdigest()[:16]
