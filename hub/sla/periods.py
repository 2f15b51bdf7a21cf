"""Periods of time: cut into five minutes, joined, and measured where they overlap."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BUCKET = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

type Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Period:
    """Time that went well or badly."""

    starts_at: datetime
    ends_at: datetime
    is_good: bool

    def by_bucket(self) -> Iterator[tuple[datetime, float]]:
        """Yield the start of each five minutes that it touches, and its seconds in them."""
        at = bucket_of(self.starts_at)
        while at < self.ends_at:
            seconds = overlap((at, at + BUCKET), (self.starts_at, self.ends_at)).total_seconds()
            if seconds > 0:
                yield at, seconds
            at += BUCKET


def bucket_of(at: datetime) -> datetime:
    """Return the start of the five minutes that a moment lies in."""
    return at - (at - _EPOCH) % BUCKET


def overlap(one: Interval, other: Interval) -> timedelta:
    """Return how long both last at once."""
    return max(timedelta(), min(one[1], other[1]) - max(one[0], other[0]))


def joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same time as intervals that do not overlap, in order."""
    result: list[Interval] = []
    for starts_at, ends_at in sorted(intervals):
        if result and starts_at <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], ends_at))
        elif ends_at > starts_at:
            result.append((starts_at, ends_at))
    return result


def time_within(intervals: Sequence[Interval], window: Interval) -> timedelta:
    """Return how much of the window the intervals take; they do not overlap each other."""
    return sum((overlap(one, window) for one in intervals), timedelta())


def complement(intervals: Sequence[Interval], window: Interval) -> list[Interval]:
    """Return what of the window the intervals leave; they are in order and do not overlap."""
    left, at = [], window[0]
    for starts_at, ends_at in intervals:
        if starts_at > at:
            left.append((at, min(starts_at, window[1])))
        at = max(at, ends_at)
    if at < window[1]:
        left.append((at, window[1]))
    return [one for one in left if one[1] > one[0]]
