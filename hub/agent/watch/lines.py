"""Cuts what a file grew by into lines."""

from dataclasses import dataclass, replace

from hub.agent.watch.host import open_file
from hub.agent.watch.place import Place, sealed
from hub.agent.watch.rotation import Part

MAX_LINE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and where it stood: no two lines of a log have the same position."""

    text: str
    position: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole lines that were read, the place after them, and what a line began with."""

    lines: list[Line]
    place: Place
    rest: bytes
    read_bytes: int
    is_at_end: bool


def read_lines(part: Part, place: Place, *, max_bytes: int) -> Reading:
    """Return the whole lines after the place; of one that is too long, only how it begins."""
    wanted = min(max_bytes, part.size - place.offset)
    if wanted <= 0:
        return Reading([], place, b"", 0, is_at_end=part.size <= place.offset)
    try:
        with open_file(part.path) as file:
            file.seek(place.offset)
            content = file.read(wanted)
            lines, rest, is_skipping = _cut(content, place)
            after = sealed(place, file, place.offset + len(content) - len(rest))
    except OSError:  # it was deleted since it was found
        return Reading([], place, b"", 0, is_at_end=True)
    moved = after.offset > place.offset
    after = replace(after, is_skipping=is_skipping, carry="" if moved else place.carry)
    is_at_end = place.offset + len(content) >= part.size
    return Reading(lines, after, rest, len(content), is_at_end)


def line_of(place: Place, offset: int, content: bytes) -> Line:
    """Return the line that begins at this offset of the file."""
    text = content[:MAX_LINE_BYTES].rstrip(b"\r").decode("utf-8", "replace")
    return Line(text, f"{place.device}:{place.inode}:{place.turn}:{offset}")


def _cut(content: bytes, place: Place) -> tuple[list[Line], bytes, bool]:
    """Return the lines, the begin of an unfinished one, and whether the rest of it is skipped."""
    *whole, rest = content.split(b"\n")
    lines, offset = [], place.offset
    for number, raw in enumerate(whole):
        if number == 0 and place.is_skipping:
            offset += len(raw) + 1
            continue
        begun = place.carry.encode("latin-1") if number == 0 else b""
        lines.append(line_of(place, offset, begun + raw))
        offset += len(raw) + 1
    if place.is_skipping and not whole:
        return [], b"", True
    if len(rest) > MAX_LINE_BYTES:  # told by its begin; the rest is not worth the memory
        lines.append(line_of(place, offset, rest))
        return lines, b"", True
    return lines, rest, False
