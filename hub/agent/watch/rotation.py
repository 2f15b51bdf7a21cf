"""The older parts of a log: what rotation left beside it."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

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

    @property
    def identity(self) -> tuple[int, int]:
        """What stays the same when the file is renamed."""
        return self.device, self.inode


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
                    found.append((order, _part(Path(entry.path), entry.stat())))
            except OSError:  # compressed or deleted meanwhile
                continue
    found.sort(key=lambda item: item[0])
    return [part for _, part in found]


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


def _part(path: Path, found: os.stat_result) -> Part:
    return Part(
        path=path,
        inode=found.st_ino,
        device=found.st_dev,
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
        is_compressed=_COMPRESSED.search(path.name) is not None,
    )
