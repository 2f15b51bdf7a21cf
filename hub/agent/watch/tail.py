"""Reads what a log grew by, through renames, copies and truncations: each line once, none lost.

What `gzip` took away before we looked is lost; logrotate's `delaycompress`, which distributions use
for these logs, leaves a day for it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hub.agent.watch.lines import Line, line_of, read_lines
from hub.agent.watch.place import Place, at_end, at_start, is_intact, starts_alike
from hub.agent.watch.rotation import Part, new_parts, older_parts, part_at
from hub.agent.watch.watcher import Memory

# Its lines take ten times as much memory while they are read, and the agent has 60 MB.
MAX_BYTES_A_LOOK = 1 << 19
# rsyslog writes to the renamed file until it is told to open the new one.
FOLLOW_RENAMED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Tail:
    """What reading brought."""

    lines: list[Line]
    memory: Memory
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """A file to be read, and from where. The last step of a plan is the living log, if any."""

    part: Part
    place: Place
    is_live: bool = False


def read_tail(
    path: Path, memory: Memory | None, *, now: float, max_bytes: int = MAX_BYTES_A_LOOK
) -> Tail:
    """Return the lines that were added since the look that left this memory.

    Without a memory nothing is returned: the log is read from here on. `now` is in seconds.
    """
    live, older = part_at(path), [part for part in older_parts(path) if not part.is_compressed]
    known = [list(part.identity) for part in older]
    if memory is None:
        current = None if live is None else at_end(live)
        return Tail([], _memory([], current, known, now))
    followed, current, lines = [], None, []
    carry, has_more = b"", False
    for step in _plan(memory, live, older, now):
        place = step.place
        if carry and place.offset == 0:
            place = replace(place, carry=carry.decode("latin-1"))
        reading = read_lines(step.part, place, max_bytes=max_bytes)
        lines += reading.lines
        max_bytes -= reading.read_bytes
        has_more |= not reading.is_at_end
        begun, carry = reading.place.carry.encode("latin-1") + reading.rest, b""
        if step.is_live:
            current = reading.place
        elif not reading.is_at_end or (place.until is not None and now < place.until):
            followed.append(reading.place)
        elif place.until is None:  # a copy: the line goes on in the emptied file
            carry = begun
        elif begun:  # nobody will finish it any more
            lines.append(line_of(reading.place, reading.place.offset, begun))
    return Tail(lines, _memory(followed, current, known, now), has_more)


def _memory(
    followed: list[Place], current: Place | None, known: list[list[int]], now: float
) -> Memory:
    return {
        "followed": [asdict(place) for place in followed],
        "current": None if current is None else asdict(current),
        "known": known,
        "at": now,
    }


def _plan(memory: Memory, live: Part | None, older: list[Part], now: float) -> Iterator[_Step]:
    """Yield the files to be read, oldest first."""
    followed = [Place(**place) for place in memory["followed"]]
    current = Place(**memory["current"]) if memory["current"] else None
    by_identity = {part.identity: part for part in older}
    for place in followed:
        if place.identity in by_identity:
            yield _Step(by_identity[place.identity], place)
    new = new_parts(older, memory["known"], since=memory.get("at", 0.0))
    if current is None:
        yield from _renamed(new, now)
        yield from _living(live, turn=1 + max((place.turn for place in followed), default=0))
    elif live is not None and live.identity == current.identity and is_intact(live, current):
        copies = new if current.offset == 0 else []
        yield from _unread(copies, current)
        yield _Step(live, replace(current, carry="") if copies else current, is_live=True)
    else:
        yield from _rotated(current, live, older, new, now)


def _rotated(
    current: Place, live: Part | None, older: list[Part], new: list[Part], now: float
) -> Iterator[_Step]:
    """Yield what is left of the file we were in, then the files made after it."""
    renamed = [part.identity == current.identity and is_intact(part, current) for part in older]
    turn = current.turn + 1
    if any(renamed):
        index = len(renamed) - 1 - renamed[::-1].index(True)  # it may have other names besides
        copies = [part for part in older[:index] if current.offset == 0 and part in new]
        yield from _unread(copies, current)
        here = replace(current, carry="") if copies else current
        yield _Step(older[index], replace(here, until=now + FOLLOW_RENAMED_SECONDS))
        yield from _renamed(_after(older[index], older, new), now, turn=turn)
    elif live is not None and starts_alike(live, current):
        # Somebody took lines out. Read from the start, all the rest would happen again.
        yield _Step(live, at_end(live, turn=turn), is_live=True)
        return
    elif copied := [part for part in older if _is_copy(part, current)]:
        first = copied[-1]
        yield _Step(first, replace(current, device=first.device, inode=first.inode))
        for part in _after(first, older, new):
            yield _Step(part, at_start(part, turn=turn))
    else:  # it was compressed or deleted; what came after it may still be there
        yield from _renamed(new, now, turn=turn)
    yield from _living(live, turn=turn)


def _after(first: Part, older: list[Part], new: list[Part]) -> list[Part]:
    """Return the parts made after this one: those of lower numbers, or new ones of later dates.

    A number is proof enough, as rotation counts all of them up. A date is not.
    """
    later = older[older.index(first) + 1 :]
    return [part for part in later if part in new or (first.is_numbered and part.is_numbered)]


def _renamed(parts: list[Part], now: float, *, turn: int = 0) -> Iterator[_Step]:
    """Yield files that came and were renamed between two looks."""
    until = now + FOLLOW_RENAMED_SECONDS
    yield from (_Step(part, at_start(part, turn=turn, until=until)) for part in parts)


def _unread(copies: list[Part], current: Place) -> Iterator[_Step]:
    """Yield copies of a file that was emptied before we ever read of it."""
    carry = current.carry
    for part in copies:
        yield _Step(part, replace(at_start(part, turn=current.turn), carry=carry))
        carry = ""


def _living(live: Part | None, *, turn: int) -> Iterator[_Step]:
    if live is not None:
        yield _Step(live, at_start(live, turn=turn), is_live=True)


def _is_copy(part: Part, current: Place) -> bool:
    return current.offset > 0 and is_intact(part, current)
