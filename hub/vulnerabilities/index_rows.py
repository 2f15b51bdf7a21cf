"""From a record to the rows that packages are matched against.

One row is one interval of one package, with both ends as sort keys: PostgreSQL then decides by
comparing bytes. Orders without byte keys, listed versions and what cannot be decided become rows
that are looked at in Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.severity import Severity
from hub.vulnerabilities.ranges import Interval, intervals_of
from hub.vulnerabilities.rating import package_severity
from hub.vulnerabilities.records import Affected, Document
from hub.vulnerabilities.versions.encoding import InvalidVersion
from hub.vulnerabilities.versions.orders import Order, byte_key

GIT_ONLY = "only commits are named, and which versions hold them is not known here"
AFTER_ALL_KEYS = b"\xff\xff\xff\xff"  # longer numbers than any version may have
# To leave out listed versions that an interval holds saves room; in a record that is made to be
# slow it would take hours, and leaving it undone changes no answer.
_MAX_COMPARISONS = 2_000_000
NO_VERSIONS = "the record names no versions"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One thing that a record says of one package."""

    ecosystem: str
    name: str
    is_binary: bool = False
    is_exact: bool = False  # the keys decide, and nothing else has to be asked
    lower_key: bytes | None = None
    upper_key: bytes | None = None
    introduced: str | None = None
    ends_at: str | None = None
    includes_end: bool = False
    fixed: str | None = None
    versions: tuple[str, ...] = ()
    problem: str | None = None
    severity: Severity | None = None

    @property
    def interval(self) -> Interval:
        """The row's interval; without meaning where versions are listed."""
        return Interval(self.introduced, self.ends_at, self.includes_end, self.fixed)


def index_rows(document: Document) -> list[IndexRow]:
    """Return the rows of a record, each once."""
    rows = (row for affected in document.affected for row in _rows(affected))
    return list(dict.fromkeys(rows))


def _rows(affected: Affected) -> Iterator[IndexRow]:
    intervals, problem = _intervals(affected)
    order, severity = affected.ecosystem.order, package_severity(affected)
    for interval in intervals:
        yield _row(affected, affected.name, interval, severity)
    listed = affected.versions
    if len(listed) * len(intervals) <= _MAX_COMPARISONS:
        listed = tuple(each for each in listed if not _is_covered(order, each, intervals))
    if listed:
        yield IndexRow(
            ecosystem=affected.ecosystem.name,
            name=affected.name,
            versions=listed,
            severity=severity,
        )
    if problem is not None and not affected.versions:
        yield IndexRow(
            ecosystem=affected.ecosystem.name,
            name=affected.name,
            problem=problem,
            severity=severity,
        )
    yield from _binary_rows(affected, intervals, severity)


def _intervals(affected: Affected) -> tuple[list[Interval], str | None]:
    """Return the intervals, and why something of the record cannot be decided, if so."""
    found: list[Interval] = []
    problem = None if affected.ranges or affected.versions else NO_VERSIONS
    is_decided = False
    for each in affected.ranges:
        if each.type == "GIT":
            continue
        try:
            found += intervals_of(each, affected.ecosystem.order)
            is_decided = True
        except InvalidVersion as error:
            problem = f"a version of the record cannot be placed: {error}"
    if affected.ranges and not is_decided and problem is None:
        problem = GIT_ONLY
    return list(dict.fromkeys(found)), problem


def _row(
    affected: Affected,
    name: str,
    interval: Interval,
    severity: Severity | None,
    *,
    is_binary: bool = False,
) -> IndexRow:
    order = affected.ecosystem.order
    return IndexRow(
        ecosystem=affected.ecosystem.name,
        name=name,
        is_binary=is_binary,
        is_exact=order.has_byte_keys,
        lower_key=_lower_key(order, interval),
        upper_key=_upper_key(order, interval),
        introduced=interval.introduced,
        ends_at=interval.end,
        includes_end=interval.includes_end,
        fixed=interval.fixed,
        severity=severity,
    )


def _binary_rows(
    affected: Affected, intervals: list[Interval], severity: Severity | None
) -> Iterator[IndexRow]:
    """Yield rows for listed binaries, for hosts that know no sources.

    A binary's listed version is the fixed one where the source has a fix. Where it has none, it
    is merely the newest known, and every version is affected.
    """
    has_fix = any(interval.fixed for interval in intervals)
    for binary in affected.binaries if intervals else ():
        end = binary.version if has_fix and binary.version else None
        try:
            interval = Interval(end=end, fixed=end)
            yield _row(affected, binary.name, interval, severity, is_binary=True)
        except InvalidVersion:
            continue


def _lower_key(order: Order, interval: Interval) -> bytes | None:
    if not order.has_byte_keys:
        return None
    return b"" if interval.introduced is None else byte_key(order, interval.introduced)


def _upper_key(order: Order, interval: Interval) -> bytes | None:
    """Return what every version of the interval is below.

    Nothing lies between a key and the same key with a zero byte, so that is "up to and including".
    """
    if not order.has_byte_keys:
        return None
    if interval.end is None:
        return AFTER_ALL_KEYS
    key = byte_key(order, interval.end)
    return key + b"\x00" if key is not None and interval.includes_end else key


def _is_covered(order: Order, version: str, intervals: list[Interval]) -> bool:
    try:
        return any(interval.holds(order, version) for interval in intervals)
    except InvalidVersion:
        return False
