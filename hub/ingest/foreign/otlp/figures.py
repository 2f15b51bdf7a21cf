"""From the points of one moment to a host's figures, as our own agent would report them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from hub.fleet.reports import Figures, FileSystem
from hub.ingest.foreign.otlp.counters import Rates, busy_percent
from hub.ingest.foreign.otlp.points import Point

_MAX_FILE_SYSTEMS = 200
_LARGEST_LOAD = 1_000_000
_LARGEST_MBPS = 10_000_000
# Not on a disk, or full by design; an alert on them would never end.
_NO_REAL_FILE_SYSTEMS = frozenset(
    {
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cramfs", "debugfs",
        "devpts", "devtmpfs", "erofs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs",
        "overlay", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "squashfs", "sysfs",
        "tmpfs", "tracefs",
    }
)  # fmt: skip
_LOADS = {
    "system.cpu.load_average.1m": "load1",
    "system.cpu.load_average.5m": "load5",
    "system.cpu.load_average.15m": "load15",
}
# Their sum is the installed memory; what else is listed (slab, inactive) is part of these.
_PARTS_OF_MEMORY = ("used", "free", "cached", "buffered", "buffers")
_SUMMED_MEMORY_NEEDS = frozenset({"used", "free"})


def figures_of(points: list[Point], rates: Rates) -> Figures:
    """Return the figures; what was not exported is None."""
    return Figures(
        at=datetime.fromtimestamp(max(point.time_ns for point in points) / 1e9, UTC),
        cpu_percent=_cpu_percent(points) if rates.cpu_percent is None else rates.cpu_percent,
        memory_percent=_memory_percent(points),
        rx_mbps=_bounded(rates.rx_mbps, _LARGEST_MBPS),
        tx_mbps=_bounded(rates.tx_mbps, _LARGEST_MBPS),
        disks=_disks(points),
        **{name: _bounded(_only(points, metric), _LARGEST_LOAD) for metric, name in _LOADS.items()},
    )


def is_empty(figures: Figures) -> bool:
    """Tell whether nothing is known of this moment."""
    numbers = (
        figures.cpu_percent,
        figures.memory_percent,
        figures.load1,
        figures.load5,
        figures.load15,
        figures.rx_mbps,
        figures.tx_mbps,
    )
    return not figures.disks and all(number is None for number in numbers)


def _cpu_percent(points: Iterable[Point]) -> float | None:
    """Return the exported utilisation. Before its second reading an SDK exports zeros only."""
    by_state: dict[str, float] = defaultdict(float)
    for point in points:
        if point.metric == "system.cpu.utilization":
            by_state[point.labels[0]] += point.value
    return busy_percent(by_state)


def _memory_percent(points: list[Point]) -> float | None:
    limit, available = (
        _only(points, "system.memory.limit"),
        _only(points, "system.linux.memory.available"),
    )
    if limit and available is not None:
        return _percent(limit - available, limit)
    shares = _by_state(points, "system.memory.utilization")
    if "used" in shares:
        return _percent(shares["used"], 1)
    usage = _by_state(points, "system.memory.usage")
    if "used" not in usage:
        return None
    if limit:
        return _percent(usage["used"], limit)
    if not usage.keys() >= _SUMMED_MEMORY_NEEDS:
        return None
    return _percent(usage["used"], sum(usage.get(name, 0) for name in _PARTS_OF_MEMORY))


def _disks(points: Iterable[Point]) -> list[FileSystem]:
    """Return how full each file system is as df counts: of what ordinary users may fill."""
    states: dict[str, dict[str, float]] = defaultdict(dict)
    shares: dict[str, float] = {}
    devices: dict[str, str] = {}
    for point in points:
        if not point.metric.startswith("system.filesystem."):
            continue
        state, mount, kind, device = point.labels
        if kind.lower() in _NO_REAL_FILE_SYSTEMS or not mount:
            continue
        devices[mount] = device
        if point.metric == "system.filesystem.usage":
            states[mount][state] = point.value
        elif state in {"", "used"}:
            shares[mount] = point.value
    found = [_disk(mount, devices[mount], states.get(mount, {}), shares) for mount in devices]
    return sorted((disk for disk in found if disk), key=lambda one: one.mount)[:_MAX_FILE_SYSTEMS]


def _disk(
    mount: str, device: str, states: dict[str, float], shares: dict[str, float]
) -> FileSystem | None:
    used, free = states.get("used"), states.get("free")
    if used is not None and free is not None and used + free > 0:
        percent = _percent(used, used + free)
        total = used + free + states.get("reserved", 0)
        if percent is not None:
            return FileSystem(mount, percent, device, int(used), int(total))
    percent = _percent(shares[mount], 1) if mount in shares else None
    return None if percent is None else FileSystem(mount, percent, device)


def _by_state(points: Iterable[Point], metric: str) -> dict[str, float]:
    return {point.labels[0]: point.value for point in points if point.metric == metric}


def _only(points: Iterable[Point], metric: str) -> float | None:
    return next((point.value for point in points if point.metric == metric), None)


def _percent(part: float, whole: float) -> float | None:
    if whole <= 0:
        return None
    return round(min(100.0, max(0.0, 100 * part / whole)), 2)


def _bounded(value: float | None, largest: float) -> float | None:
    return None if value is None or value > largest else value
