"""Counters become rates: what was counted between two exports.

`system.cpu.time` and `system.network.io` count from a start. A counter that starts anew or falls
says nothing about the time between, so there is no figure then: the next export has one again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.ingest.foreign.otlp.points import Point

MAX_SERIES = 2_048
_LONGEST_GAP_NS = 15 * 60 * 1_000_000_000
_IDLE = frozenset({"idle", "iowait", "wait"})
_LOOPBACK = frozenset({"lo", "lo0", "loopback"})
_BITS_PER_MEGABIT = 1_000_000


class Counter(NamedTuple):
    """Where a counter stood."""

    start_ns: int
    time_ns: int
    value: float


class Grown(NamedTuple):
    """By how much a counter grew, and in which time."""

    by: float
    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What the counters of one moment say; None is what they cannot say."""

    cpu_percent: float | None = None
    rx_mbps: float | None = None
    tx_mbps: float | None = None


@dataclass(slots=True)
class Counters:
    """The newest counters of one exporter."""

    series: dict[str, Counter] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> "Counters":
        """Read what the database keeps."""
        return cls(
            {
                name: Counter(int(told[0]), int(told[1]), float(told[2]))
                for name, told in stored.items()
                if isinstance(told, list | tuple)
            }
        )

    def stored(self) -> dict[str, object]:
        """Return what the database keeps: the newest, should there be too many."""
        newest = sorted(self.series.items(), key=lambda one: -one[1].time_ns)[:MAX_SERIES]
        return {name: list(counter) for name, counter in newest}

    def rates(self, moment: Iterable[Point]) -> Rates:
        """Return the rates since the moment before, and take this one as the newest."""
        points = list(moment)
        return Rates(
            cpu_percent=self._cpu_percent(
                [point for point in points if point.metric == "system.cpu.time"]
            ),
            **self._network([point for point in points if point.metric == "system.network.io"]),
        )

    def _cpu_percent(self, points: list[Point]) -> float | None:
        # Added up over the processors; how many there are is part of the name, so one that was
        # plugged in starts a new series instead of looking like a leap.
        processors = len({point.labels[1] for point in points})
        by_state: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            by_state[point.labels[0]].append(point)
        grown = {
            state: self._grown(f"cpu {processors} {state}", of_state)
            for state, of_state in by_state.items()
        }
        if any(one is None for one in grown.values()):
            return None
        return busy_percent({state: one.by for state, one in grown.items() if one is not None})

    def _network(self, points: list[Point]) -> dict[str, float | None]:
        bits: dict[str, list[float]] = defaultdict(list)
        for point in points:
            direction, device = point.labels
            if device.lower() in _LOOPBACK:
                continue
            grown = self._grown(f"net {device} {direction}", [point])
            if grown is not None and grown.nanoseconds > 0:
                bits[direction].append(grown.by * 8 * 1e9 / grown.nanoseconds / _BITS_PER_MEGABIT)
        return {
            name: round(sum(bits[direction]), 3) if bits[direction] else None
            for name, direction in (("rx_mbps", "receive"), ("tx_mbps", "transmit"))
        }

    def _grown(self, name: str, points: list[Point]) -> Grown | None:
        newest = {point.labels: point for point in points}.values()
        counter = Counter(
            max(point.start_ns for point in newest),
            max(point.time_ns for point in newest),
            sum(point.value for point in newest),
        )
        if points[0].is_delta:
            return Grown(counter.value, counter.time_ns - counter.start_ns)
        before = self.series.get(name)
        if before is None or counter.time_ns > before.time_ns:
            self.series[name] = counter
        return _between(before, counter)


def busy_percent(by_state: Mapping[str, float]) -> float | None:
    """Return the share that was not idle, if the idle share is among what is known."""
    total = sum(by_state.values())
    if total <= 0 or "idle" not in by_state:
        return None
    idle = sum(value for state, value in by_state.items() if state in _IDLE)
    return round(min(100.0, max(0.0, 100 * (1 - idle / total))), 2)


def _between(before: Counter | None, now: Counter) -> Grown | None:
    if before is None or now.time_ns <= before.time_ns:
        return None
    began_anew = now.start_ns != before.start_ns or now.value < before.value
    if began_anew or now.time_ns - before.time_ns > _LONGEST_GAP_NS:
        return None
    return Grown(now.value - before.value, now.time_ns - before.time_ns)
