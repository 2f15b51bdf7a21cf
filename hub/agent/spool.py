"""What the hub has not taken yet, on disk: bounded, ordered, and whole after any crash.

One file an entry, written beside its place and renamed into it, with a digest of its content on the
first line. Events reach the disk before anything else is done with them, so they are synced.
Metrics are not: a power failure may cost the newest few, which are worth less than the disk's wear.
A file that turns out damaged is set aside for people to look at, and the rest goes on.
"""

import hashlib
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path

from hub.agent.files import TEMPORARY_SUFFIX, write_whole

MAX_BYTES = 100_000_000
_BLOCK_BYTES = 4096  # what a small file takes of most file systems, whatever its length
_MAX_DAMAGED = 20
_MADE_ROOM = 16  # metrics that make room on a full disk at once
_NAME = re.compile(r"(\d{20})\.entry")
_DIGEST_CHARACTERS = 64


class Kind(StrEnum):
    """What an entry holds; the value is its folder's name."""

    EVENTS = "events"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. Its number is when it was added, in milliseconds; no two are the same."""

    kind: Kind
    number: int
    size: int

    @property
    def added_at(self) -> float:
        """When it was added, in seconds since 1970."""
        return self.number / 1000


@dataclass(frozen=True, slots=True)
class Buffered:
    """What is waiting, and what had to be given up."""

    events_entries: int
    metrics_entries: int
    bytes: int
    oldest_at: float | None
    dropped_events: int
    dropped_metrics: int
    damaged: int


class Spool:
    """The agent's buffer. Methods never raise because of one file, or of a full disk."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = MAX_BYTES,
        now: Callable[[], float] = time.time,
        write: Callable[..., None] = write_whole,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._now = now
        self._write = write
        self._dropped = dict.fromkeys(Kind, 0)
        self._damaged = 0
        self._entries: dict[Kind, deque[Entry]] = {kind: self._found(kind) for kind in Kind}
        everything = list(chain.from_iterable(self._entries.values()))
        self._bytes = sum(entry.size for entry in everything)
        self._last_number = max((entry.number for entry in everything), default=0)
        self._keep_the_bound()  # it may be smaller than it was

    def add(self, kind: Kind, content: bytes) -> bool:
        """Keep the content; False when it cannot be kept: too large, or no room on the disk.

        Room is made of the oldest metrics first. Metrics never push out events; older events give
        way to a new one only once that is written, so that a full disk costs none of them.
        """
        size = _size_on_disk(content)
        if size > self._max_bytes or not self._make_room_of_metrics(size, for_kind=kind):
            return False
        entry = Entry(kind, max(self._last_number + 1, int(self._now() * 1000)), size)
        if not self._store(entry, content):
            return False
        self._last_number = entry.number
        self._entries[kind].append(entry)
        self._bytes += size
        self._keep_the_bound()
        return True

    def oldest(self, kind: Kind) -> Entry | None:
        """Return the entry of this kind that has waited longest."""
        return self._entries[kind][0] if self._entries[kind] else None

    def entries(self, kind: Kind) -> list[Entry]:
        """Return the entries of this kind, oldest first."""
        return list(self._entries[kind])

    def read(self, entry: Entry) -> bytes | None:
        """Return an entry's content; None when it was damaged, and is set aside."""
        try:
            stored = self._path(entry).read_bytes()
        except OSError:
            stored = b""
        digest, _, content = stored.partition(b"\n")
        if digest.decode("ascii", "replace") == hashlib.sha256(content).hexdigest():
            return content
        self._set_aside(entry)
        return None

    def remove(self, entry: Entry) -> None:
        """Forget an entry: the hub has it, or will never take it."""
        if entry in self._entries[entry.kind]:
            self._entries[entry.kind].remove(entry)
            self._bytes -= entry.size
        _delete(self._path(entry))

    def shorten(self, entry: Entry, content: bytes) -> None:
        """Replace an entry's content by what is left of it, in its place.

        When that fails the entry stays as it was: what was taken is sent once more, and known.
        """
        shorter = Entry(entry.kind, entry.number, _size_on_disk(content))
        if entry in self._entries[entry.kind] and self._store(shorter, content):
            place = self._entries[entry.kind].index(entry)
            self._entries[entry.kind][place] = shorter
            self._bytes += shorter.size - entry.size

    def buffered(self) -> Buffered:
        """Return what is waiting."""
        oldest = [entries[0].added_at for entries in self._entries.values() if entries]
        return Buffered(
            events_entries=len(self._entries[Kind.EVENTS]),
            metrics_entries=len(self._entries[Kind.METRICS]),
            bytes=self._bytes,
            oldest_at=min(oldest, default=None),
            dropped_events=self._dropped[Kind.EVENTS],
            dropped_metrics=self._dropped[Kind.METRICS],
            damaged=self._damaged,
        )

    def _make_room_of_metrics(self, size: int, *, for_kind: Kind) -> bool:
        """Give up old metrics until this much fits; False when metrics alone cannot make room."""
        while self._bytes + size > self._max_bytes and self._entries[Kind.METRICS]:
            self._drop_oldest()
        return for_kind is Kind.EVENTS or self._bytes + size <= self._max_bytes

    def _keep_the_bound(self) -> None:
        while self._bytes > self._max_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Give up the entry that is worth least: the oldest metrics, else the oldest events."""
        kind = Kind.METRICS if self._entries[Kind.METRICS] else Kind.EVENTS
        self._dropped[kind] += 1
        self.remove(self._entries[kind][0])

    def _store(self, entry: Entry, content: bytes) -> bool:
        """Write the file; on a full disk, again after old metrics have made room."""
        stored = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
        while True:
            try:
                self._write(self._path(entry), stored, is_durable=entry.kind is Kind.EVENTS)
            except OSError:
                metrics = self._entries[Kind.METRICS]
                if not metrics:
                    return False
                for _ in range(min(_MADE_ROOM, len(metrics))):
                    self._drop_oldest()
            else:
                return True

    def _set_aside(self, entry: Entry) -> None:
        self._damaged += 1
        aside = self._folder / "damaged"
        path = self._path(entry)
        try:
            aside.mkdir(mode=0o700, exist_ok=True)
            for old in sorted(aside.iterdir())[: -_MAX_DAMAGED + 1]:
                old.unlink(missing_ok=True)
            path.replace(aside / f"{entry.kind}-{path.name}")
        except OSError:
            _delete(path)
        self.remove(entry)

    def _found(self, kind: Kind) -> deque[Entry]:
        """Return the entries that an earlier run left, and clear away what it did not finish."""
        folder = self._folder / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in folder.iterdir():
            if path.name.endswith(TEMPORARY_SUFFIX):
                _delete(path)
            elif match := _NAME.fullmatch(path.name):
                found.append(Entry(kind, int(match[1]), _rounded(path.stat().st_size)))
        return deque(sorted(found, key=lambda entry: entry.number))

    def _path(self, entry: Entry) -> Path:
        return self._folder / entry.kind / f"{entry.number:020}.entry"


def _delete(path: Path) -> None:
    # What cannot be deleted is sent again after a restart, and the hub knows it.
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _size_on_disk(content: bytes) -> int:
    return _rounded(_DIGEST_CHARACTERS + 1 + len(content))


def _rounded(size: int) -> int:
    return max(1, -(-size // _BLOCK_BYTES)) * _BLOCK_BYTES
