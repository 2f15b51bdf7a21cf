"""What this machine measures right now: CPU, memory, file systems, load, network."""

import os
import time
from dataclasses import dataclass, field

import psutil

from hub.agent.watch.observed import one_line

MAX_DISKS = 200  # what the hub takes
_MAX_NAME = 512
# Images that are full by design; an alert on them would never end.
_READ_ONLY_IMAGES = frozenset({"squashfs", "iso9660", "erofs", "cramfs"})
_BITS_PER_MEGABIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Disk:
    """One file system. `used_percent` is df's: of what an ordinary user may fill."""

    mount: str
    device: str
    used_percent: float
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. A figure that cannot be known (yet) is None, never zero."""

    cpu_percent: float | None
    memory_percent: float
    load1: float
    load5: float
    load15: float
    rx_mbps: float | None
    tx_mbps: float | None
    disks: list[Disk] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _NetworkReading:
    at_seconds: float
    received_bytes: int
    sent_bytes: int


class FigureReader:
    """Reads figures; rates (CPU, network) cover the time since the reading before."""

    def __init__(self) -> None:
        psutil.cpu_percent(interval=None)  # the first answer of psutil is meaningless
        self._network = _read_network()

    def read(self) -> Figures:
        """Return the figures of the time since the last call, or since construction."""
        before, self._network = self._network, _read_network()
        received, sent = _rates(before, self._network)
        load1, load5, load15 = os.getloadavg()
        return Figures(
            cpu_percent=psutil.cpu_percent(interval=None),
            memory_percent=psutil.virtual_memory().percent,
            load1=round(load1, 2),
            load5=round(load5, 2),
            load15=round(load15, 2),
            rx_mbps=received,
            tx_mbps=sent,
            disks=read_disks(),
        )


def read_disks() -> list[Disk]:
    """Return the real file systems, each device once, by mount point.

    The root is always among them: in a container it is an overlay, which psutil takes for a pseudo
    file system, yet it is the one that fills up.
    """
    mounts = {"/": _root_device()}
    seen = {mounts["/"]}
    partitions = psutil.disk_partitions(all=False)
    # Shortest first: a bind mount of a folder is the same device under a longer name.
    for partition in sorted(
        partitions, key=lambda found: (len(found.mountpoint), found.mountpoint)
    ):
        # Not pathlib's, which raises for a mount that its owner lets nobody else look into.
        is_new = partition.device not in seen and os.path.isdir(partition.mountpoint)  # noqa: PTH112
        if is_new and partition.fstype not in _READ_ONLY_IMAGES:
            seen.add(partition.device)
            mounts[partition.mountpoint] = partition.device
    disks = (_read_disk(mount, device) for mount, device in sorted(mounts.items()))
    return [disk for disk in disks if disk is not None][:MAX_DISKS]


def _root_device() -> str:
    for partition in psutil.disk_partitions(all=True):
        if partition.mountpoint == "/":
            return partition.device
    return ""


def _read_disk(mount: str, device: str) -> Disk | None:
    try:
        usage = psutil.disk_usage(mount)
    except OSError:  # unmounted meanwhile, or not ours to see
        return None
    if usage.total == 0:
        return None
    return Disk(
        mount=one_line(mount, _MAX_NAME),  # who plugs a disk in has chosen its name
        device=one_line(device, _MAX_NAME),
        used_percent=usage.percent,
        used_bytes=usage.used,
        total_bytes=usage.total,
    )


def _read_network() -> _NetworkReading:
    by_interface = psutil.net_io_counters(pernic=True)
    outside = [counters for name, counters in by_interface.items() if name != "lo"]
    return _NetworkReading(
        at_seconds=time.monotonic(),
        received_bytes=sum(counters.bytes_recv for counters in outside),
        sent_bytes=sum(counters.bytes_sent for counters in outside),
    )


def _rates(before: _NetworkReading, after: _NetworkReading) -> tuple[float | None, float | None]:
    """Return received and sent Mbit/s; None when no time passed or an interface went away."""
    return (
        _rate(before, after, after.received_bytes - before.received_bytes),
        _rate(before, after, after.sent_bytes - before.sent_bytes),
    )


def _rate(before: _NetworkReading, after: _NetworkReading, grown_bytes: int) -> float | None:
    seconds = after.at_seconds - before.at_seconds
    if seconds <= 0 or grown_bytes < 0:
        return None
    return round(grown_bytes * 8 / seconds / _BITS_PER_MEGABIT, 3)
