"""How far a file was read, and how to tell that it is still the file that was read."""

import hashlib
from dataclasses import dataclass, replace
from typing import BinaryIO

from hub.agent.watch.host import open_file
from hub.agent.watch.rotation import Part

_SEALED_BYTES = 256


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file. Both digests are of bytes that were read already.

    `seal` is of those just before the offset: it tells a file that grew from one that was emptied
    and grew again, and finds the copy that `copytruncate` made. `head` is of the first ones: it
    tells a log that somebody rewrote without some lines from a new one.
    """

    device: int
    inode: int
    offset: int = 0
    seal: str = ""
    head: str = ""
    turn: int = 0  # how often the log began anew: offsets repeat, positions must not
    carry: str = ""  # begin of a line whose rest comes here; latin-1: any byte is a character
    is_skipping: bool = False  # in the midst of a line too long to be kept
    until: float | None = None  # a renamed file is followed until then

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is."""
        return self.device, self.inode


def at_start(part: Part, *, turn: int = 0, until: float | None = None) -> Place:
    """Return the place before the first line."""
    return Place(part.device, part.inode, turn=turn, until=until)


def at_end(part: Part, *, turn: int = 0) -> Place:
    """Return the place after what is there; a line that is just being written is left out."""
    place = Place(part.device, part.inode, turn=turn)
    try:
        with open_file(part.path) as file:
            is_amid_line = bytes_before(file, part.size, 1) not in {b"", b"\n"}
            return replace(sealed(place, file, part.size), is_skipping=is_amid_line)
    except OSError:
        return place


def sealed(place: Place, file: BinaryIO, offset: int) -> Place:
    """Return the place moved to this offset of the open file."""
    return replace(
        place,
        offset=offset,
        seal=_digest(bytes_before(file, offset, _SEALED_BYTES)),
        head=_digest(bytes_before(file, min(offset, _SEALED_BYTES), _SEALED_BYTES)),
    )


def is_intact(part: Part, place: Place) -> bool:
    """Tell whether the file still holds what was read of it."""
    if part.size < place.offset:
        return False
    try:
        with open_file(part.path) as file:
            return _digest(bytes_before(file, place.offset, _SEALED_BYTES)) == place.seal
    except OSError:
        return False


def starts_alike(part: Part, place: Place) -> bool:
    """Tell whether the file begins as the one that was read: then it is no new log."""
    length = min(place.offset, _SEALED_BYTES)
    try:
        with open_file(part.path) as file:
            return length > 0 and _digest(file.read(length)) == place.head
    except OSError:
        return False


def bytes_before(file: BinaryIO, offset: int, count: int) -> bytes:
    """Return up to this many bytes that stand just before the offset."""
    start = max(0, offset - count)
    file.seek(start)
    return file.read(offset - start)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32] if content else ""
