"""The older parts of a log: what rotation left beside it.

A name proves little. Files that somebody put there (`auth.log.9`, a backup, an archive unpacked to
be read) look like older parts, and are none of what was rotated since the last look: only what
follows on the log without a gap, and was written since, can be.
"""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_SECONDS = 1.0
_COMPRESSED = re.compile(r"\.(gz|xz|bz2|zst|lz4|Z)$")
_NUMBERED = re.compile(r"\.(\d{1,6})$")
_DATED = re.compile(r"[-.](\d{8}(?:[-_T]?\d{1,10})?)$")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a log."""

    path: Path
    inode: int
    device: int
    size: int
    modified_ns: int
    changed_ns: int
    is_compressed: bool
    order: tuple[int, str] = (0, "")  # among the older parts: its number below zero, or its date

    @property
    def identity(self) -> tuple[int, int]:
        """What stays the same when the file is renamed."""
        return self.device, self.inode

    @property
    def is_numbered(self) -> bool:
        """Whether rotation counts it up. Most begin with `.1`: a `.0` may be anything."""
        return self.order[0] < 0 and not self.order[1]


def part_at(path: Path) -> Part | None:
    """Return the file at this path, or None."""
    try:
        found = path.stat()
    except OSError:
        return None
    # A pipe or a device holds no lines that could be read twice.
    return _part(path, found) if stat.S_ISREG(found.st_mode) else None


def older_parts(path: Path) -> list[Part]:
    """Return what rotation left of a log, oldest first: `.2` before `.1`, dates in their order."""
    found = []
    try:
        entries = [entry for entry in os.scandir(path.parent) if entry.name != path.name]
    except OSError:
        return []
    for entry in entries:
        order = _order(entry.name, path.name)
        if order is not None:
            try:
                if entry.is_file():
                    found.append(_part(Path(entry.path), entry.stat(), order))
            except OSError:  # compressed or deleted meanwhile
                continue
    return sorted(found, key=lambda part: part.order)


def new_parts(parts: list[Part], known: Iterable[Sequence[int]], *, since: float) -> list[Part]:
    """Return the newest parts, back to the first that was there or was written before `since`.

    Time stamps are of the kernel's last tick, and may lie a little before the clock's.
    """
    identities = {tuple(identity) for identity in known}
    oldest_ns = int((since - _TICK_SECONDS) * 1e9)
    new: list[Part] = []
    for part in reversed(parts):
        if part.identity in identities or part.modified_ns < oldest_ns:
            break
        new.insert(0, part)
    return new


def _order(name: str, base: str) -> tuple[int, str] | None:
    """Return where a file stands among the older parts; None when it is not one of them."""
    plain = _COMPRESSED.sub("", name)
    stem, dot, extension = base.rpartition(".")
    for front, back in ((base, ""), (stem, f".{extension}") if dot and stem else (base, "")):
        if plain.startswith(front) and plain.endswith(back):
            middle = plain[len(front) : len(plain) - len(back)]
            if numbered := _NUMBERED.fullmatch(middle):
                return -int(numbered[1]), ""
            if dated := _DATED.fullmatch(middle):
                return -1, dated[1]
    return None


def _part(path: Path, found: os.stat_result, order: tuple[int, str] = (0, "")) -> Part:
    return Part(
        path=path,
        inode=found.st_ino,
        device=found.st_dev,
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
        is_compressed=_COMPRESSED.search(path.name) is not None,
        order=order,
    )
