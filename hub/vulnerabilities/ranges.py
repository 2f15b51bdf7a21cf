"""Affected versions: OSV's ranges as intervals, and whether a version lies in one.

The algorithm is the specification's: sort the events, `introduced` opens, `fixed` closes before
its version and `last_affected` after it, `limit` cuts off. Done once per record, not per package.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hub.vulnerabilities.versions.encoding import InvalidVersion
from hub.vulnerabilities.versions.orders import Order, version_key

BEGINNING = "0"  # `introduced: "0"` comes before every version
_OPENS, _CLOSES_AFTER, _CLOSES_BEFORE = 0, 1, 2


class Verdict(StrEnum):
    """Whether a version is affected; what cannot be known is not guessed."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Interval:
    """Affected from `introduced` (None: from the beginning) until `end` (None: until today)."""

    introduced: str | None = None
    end: str | None = None
    includes_end: bool = False
    fixed: str | None = None  # the end, where it is a fix and not just where the range stops

    def holds(self, order: Order, version: str) -> bool:
        """Tell whether the version lies in here; InvalidVersion when that cannot be known."""
        key = version_key(order, version)
        if self.introduced is not None and key < version_key(order, self.introduced):
            return False
        if self.end is None:
            return True
        end = version_key(order, self.end)
        return bool(key < end or (self.includes_end and key == end))


@dataclass(frozen=True, slots=True)
class Range:
    """One range of a record: GIT, SEMVER or ECOSYSTEM, and its events in the record's order."""

    type: str
    events: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known of one version; the fix on its own branch, or why nothing is known."""

    verdict: Verdict
    fixed: str | None = None
    reason: str | None = None


def intervals_of(affected: Range, order: Order) -> list[Interval]:
    """Return the range as disjoint intervals; InvalidVersion when an event cannot be placed."""
    events = sorted(_placed(affected.events, order), key=lambda event: event[:2])
    limits = [version for kind, version in affected.events if kind == "limit"]
    intervals = list(_walk(events))
    if not limits or "*" in limits:
        return intervals
    limit = max(limits, key=lambda version: version_key(order, version))
    return [cut for cut in (_cut(each, order, limit) for each in intervals) if cut is not None]


def decide(
    order: Order, version: str, *, intervals: Iterable[Interval], versions: Sequence[str]
) -> Decision:
    """Decide one version from a record's intervals and the versions it lists."""
    try:
        for interval in intervals:
            if interval.holds(order, version):
                return Decision(Verdict.AFFECTED, fixed=interval.fixed)
    except InvalidVersion as error:
        if version not in versions:
            return Decision(Verdict.UNDECIDED, reason=str(error))
    if is_listed(order, version, versions):
        return Decision(Verdict.AFFECTED)
    return Decision(Verdict.NOT_AFFECTED)


def is_listed(order: Order, version: str, versions: Sequence[str]) -> bool:
    """Tell whether the version is one of these, in any spelling (`1.0` and `1.0.0` in Python)."""
    if version in versions:
        return True
    try:
        key = version_key(order, version)
    except InvalidVersion:
        return False
    return any(_is_same(order, key, other) for other in versions)


def _is_same(order: Order, key: Any, other: str) -> bool:
    try:
        return bool(version_key(order, other) == key)
    except InvalidVersion:
        return False


def _placed(events: Iterable[tuple[str, str]], order: Order) -> Iterator[tuple[Any, int, str]]:
    """Yield key, rank and version of each event; at equal versions `introduced` comes first."""
    ranks = {"introduced": _OPENS, "last_affected": _CLOSES_AFTER, "fixed": _CLOSES_BEFORE}
    for kind, version in events:
        if kind not in ranks:
            continue
        is_beginning = kind == "introduced" and version == BEGINNING
        # (0,) sorts before (1, key): nothing comes before the beginning, not even 0~alpha.
        place = (0,) if is_beginning else (1, version_key(order, version))
        yield place, ranks[kind], version


def _walk(events: Iterable[tuple[Any, int, str]]) -> Iterator[Interval]:
    opened: str | None = None
    for _place, rank, version in events:
        if rank == _OPENS:
            if opened is None:
                opened = version
        elif opened is not None:
            yield Interval(
                introduced=None if opened == BEGINNING else opened,
                end=version,
                includes_end=rank == _CLOSES_AFTER,
                fixed=version if rank == _CLOSES_BEFORE else None,
            )
            opened = None
    if opened is not None:
        yield Interval(introduced=None if opened == BEGINNING else opened)


def _cut(interval: Interval, order: Order, limit: str) -> Interval | None:
    """Return the part of the interval before the limit."""
    limit_key = version_key(order, limit)
    if interval.introduced is not None and version_key(order, interval.introduced) >= limit_key:
        return None
    if interval.end is not None and version_key(order, interval.end) < limit_key:
        return interval
    return Interval(introduced=interval.introduced, end=limit)
