"""Windows of sightings: what follows within a rule's window is one thing that happened.

The windows are the same whatever order the events come in, however they are cut into calls.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hub.detections.events import SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Point, Seen, Sighting

_KEPT_NAMES = 2  # enough to tell one from several
# What a detection is about when too many subjects of one host had one already.
OTHERS = "other subjects"


@dataclass(frozen=True, slots=True)
class Key:
    """Whose sightings belong together, on one host."""

    rule_kind: RuleKind
    subject: str


@dataclass(frozen=True, slots=True)
class Sighted:
    """One event that means something to one rule."""

    event_id: UUID
    event: SecurityEvent
    sighting: Sighting
    rank: int  # of its severity

    @property
    def point(self) -> Point:
        """What counting needs of it."""
        return Point(self.event.at, self.event.kind, self.event.count)


@dataclass(slots=True)
class Window:
    """One window, as stored and with what this call adds."""

    key: Key
    started_at: datetime
    ended_at: datetime
    id: UUID = field(default_factory=uuid4)
    count: int = 0
    rank: int = 0
    users: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    is_closed: bool = False
    closes: bool = False  # it was closed in this call
    detection_id: UUID | None = None
    is_resolved: bool = False  # as its detection stands now
    is_folded: bool = False  # its detection is that of other subjects, and not its own
    added: list[Sighted] = field(default_factory=list)
    gone: list["Window"] = field(default_factory=list)  # stored windows that became this one
    is_stored: bool = False
    # What is in it, as far as earlier calls brought it without its being enough.
    recalled: list[Sighted] = field(default_factory=list)

    @property
    def has_untold(self) -> bool:
        """Whether earlier calls brought something that no detection has told of yet."""
        stored = [*self.gone, *([self] if self.is_stored else [])]
        return any(window.detection_id is None for window in stored)

    @property
    def untold(self) -> list[Sighted]:
        """What its detection has not told of yet: this call's, and earlier calls' without one."""
        stored = [*self.gone, *([self] if self.is_stored else [])]
        spans = [(one.started_at, one.ended_at) for one in stored if one.detection_id is None]
        recalled = [
            one
            for one in self.recalled
            if any(since <= one.event.at <= until for since, until in spans)
        ]
        return list({one.event_id: one for one in (*recalled, *self.added)}.values())

    @property
    def seen(self) -> Seen:
        """What its sightings have in common."""
        return Seen(
            self.key.subject,
            self.count,
            _only(self.users),
            _only(self.addresses),
            _only(self.processes),
        )

    @property
    def has_changed(self) -> bool:
        """Whether anything has to be stored."""
        return bool(self.added or self.gone or self.closes)


def fold(
    key: Key, stored: Sequence[Window], sighted: Iterable[Sighted], *, gap: timedelta
) -> list[Window]:
    """Return the windows after these sightings, in time's order."""
    # A stored window comes before a sighting of the same moment, which then falls into it.
    items: list[tuple[datetime, int, UUID, Window | Sighted]] = [
        (window.started_at, 0, window.id, window) for window in stored
    ]
    items += [(one.event.at, 1, one.event_id, one) for one in sighted]
    items.sort(key=lambda item: item[:3])
    folded: list[Window] = []
    for at, _, _, item in items:
        last = folded[-1] if folded else None
        if isinstance(item, Window):
            if last is not None and _reaches(last, at, gap) and _may_join(last, item):
                folded[-1] = _joined(last, item)
            else:
                folded.append(item)
        else:
            if last is None or not _takes(last, at, gap):
                last = Window(key, at, at)
                folded.append(last)
            _add(last, item)
    return folded


def _is_over(window: Window) -> bool:
    return window.is_closed or window.is_resolved


def _may_join(first: Window, second: Window) -> bool:
    if first.is_closed or _is_over(second):
        return False
    # What was counted with other subjects is not counted once more with the subject itself.
    is_told_twice = None not in {first.detection_id, second.detection_id}
    return first.is_folded is second.is_folded or not is_told_twice


def _reaches(window: Window, at: datetime, gap: timedelta) -> bool:
    return at - window.ended_at <= gap


def _takes(window: Window, at: datetime, gap: timedelta) -> bool:
    """Tell whether a sighting belongs to the window; one whose detection is resolved is closed."""
    if not _is_over(window):
        return _reaches(window, at, gap)
    if at <= window.ended_at:
        return True
    # What comes after a resolution is another matter, and stays so if that is taken back.
    window.closes = not window.is_closed
    window.is_closed = True
    return False


def _add(window: Window, one: Sighted) -> None:
    window.started_at = min(window.started_at, one.event.at)
    window.ended_at = max(window.ended_at, one.event.at)
    window.count += one.event.count
    window.rank = max(window.rank, one.rank)
    window.users = _smallest(window.users, (one.sighting.user,))
    window.addresses = _smallest(window.addresses, (one.sighting.address,))
    window.processes = _smallest(window.processes, (one.sighting.process,))
    window.added.append(one)


def _joined(first: Window, second: Window) -> Window:
    """Return two windows as one, under the name of the one that has a detection, else the first."""
    keeps, goes = (first, second) if _claim(first) >= _claim(second) else (second, first)
    return replace(
        keeps,
        started_at=min(first.started_at, second.started_at),
        ended_at=max(first.ended_at, second.ended_at),
        count=first.count + second.count,
        rank=max(first.rank, second.rank),
        users=_smallest(first.users, second.users),
        addresses=_smallest(first.addresses, second.addresses),
        processes=_smallest(first.processes, second.processes),
        added=[*first.added, *second.added],
        gone=[*first.gone, *second.gone, *([goes] if goes.is_stored else [])],
    )


def _claim(window: Window) -> int:
    """Return how good a claim a window has to lend its name when two become one."""
    return 2 if window.detection_id is not None else int(window.is_stored)


def _smallest(names: tuple[str, ...], more: Iterable[str | None]) -> tuple[str, ...]:
    """Return the smallest names of both: the same whatever the order they came in."""
    return tuple(sorted({*names, *(name for name in more if name)})[:_KEPT_NAMES])


def _only(names: tuple[str, ...]) -> str | None:
    return names[0] if len(names) == 1 else None
