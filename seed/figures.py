"""What the hosts measure at any moment: quiet nights, busy days, and the troubles of the story."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from hub.fleet.reports import Figures, FileSystem
from seed.hosts import GIB, DiskSpec, HostSpec
from seed.stable import daily_wave, midnight, noise


class Measured(NamedTuple):
    """The figures that a history keeps, in the order of `hub.fleet.reports.Sample`."""

    cpu_percent: float
    memory_percent: float
    disk_percent: float
    load1: float
    rx_mbps: float
    tx_mbps: float


@dataclass(frozen=True, slots=True)
class _Profile:
    """How busy a role is: CPU at night and what the day adds, memory, Mbit/s in and out."""

    cpu: float
    cpu_by_day: float
    memory: float
    received: float
    sent: float
    peak_hour: float = 14.0


_PROFILES = {
    "api": _Profile(14, 38, 46, 24, 31),
    "app": _Profile(12, 30, 52, 18, 22),
    "backup": _Profile(4, 28, 30, 90, 4, peak_hour=2.0),
    "bastion": _Profile(2, 3, 21, 0.4, 0.5),
    "cache": _Profile(6, 12, 71, 40, 44),
    "ci": _Profile(5, 61, 44, 12, 6),
    "database": _Profile(16, 27, 63, 22, 35),
    "gateway": _Profile(7, 11, 41, 3, 4),
    "imaging": _Profile(9, 33, 58, 70, 64),
    "loadbalancer": _Profile(5, 14, 28, 96, 98),
    "queue": _Profile(8, 16, 39, 14, 14),
    "scanner": _Profile(3, 9, 34, 0.6, 0.9),
    "search": _Profile(11, 22, 74, 9, 12),
    "web": _Profile(8, 26, 42, 18, 74),
    "worker": _Profile(9, 24, 37, 4, 3),
}

LEAK_SINCE = timedelta(days=6)
MINER_SINCE = timedelta(hours=5)
DISK_HISTORY = timedelta(days=35)


class Weather:
    """Figures of hosts, as the story told at `now` has them. Later moments go on from there."""

    def __init__(self, now: datetime, *, seed: int = 1) -> None:
        self.now = now
        self._seed = seed
        self._guessing_starts = midnight(now) - timedelta(days=1) + timedelta(hours=2, minutes=13)

    def figures(self, host: HostSpec, at: datetime) -> Figures:
        """Return everything that the host measures at this moment."""
        measured = self.measure(host, at)
        return Figures(
            at=at,
            cpu_percent=measured.cpu_percent,
            memory_percent=measured.memory_percent,
            load1=measured.load1,
            load5=round(measured.load1 * 0.96, 2),
            load15=round(measured.load1 * 0.91, 2),
            rx_mbps=measured.rx_mbps,
            tx_mbps=measured.tx_mbps,
            disks=[self._file_system(host, disk, at) for disk in host.disks],
        )

    def measure(self, host: HostSpec, at: datetime) -> Measured:
        """Return what the history keeps of this moment."""
        profile = _PROFILES[host.role]
        wave = daily_wave(at, peak_hour=profile.peak_hour)
        name = f"{self._seed}:{host.name}"
        usual_cpu = self._cpu(host, at, profile.cpu + profile.cpu_by_day * wave)
        cpu = _percent(usual_cpu * (1 + 0.12 * noise(f"{name}/cpu", at)))
        traffic = 0.25 + 0.75 * wave + 0.08 * noise(f"{name}/net", at)
        memory = self._memory(host, at, profile.memory + 4 * wave)
        return Measured(
            cpu_percent=cpu,
            memory_percent=_percent(memory + noise(f"{name}/memory", at)),
            disk_percent=max(self._used_percent(host, disk, at) for disk in host.disks),
            load1=round(cpu / 100 * host.cpu_count * 1.1, 2),
            rx_mbps=round(max(0.0, profile.received * traffic), 3),
            tx_mbps=round(max(0.0, profile.sent * traffic), 3),
        )

    def _cpu(self, host: HostSpec, at: datetime, usual: float) -> float:
        if host.name == "worker-stg-01" and at > self.now - MINER_SINCE:
            return 96.0
        guessing = timedelta(0) <= at - self._guessing_starts < timedelta(minutes=40)
        return usual + 22 if host.name == "web-edge-01" and guessing else usual

    def _memory(self, host: HostSpec, at: datetime, usual: float) -> float:
        """Return the memory in use; since the deployment six days ago api-prod-03 leaks."""
        leaked_for = at - (self.now - LEAK_SINCE)
        if host.name != "api-prod-03" or leaked_for < timedelta(0):
            return usual
        return min(96.0, usual + 46 * (leaked_for / LEAK_SINCE))

    def _used_percent(self, host: HostSpec, disk: DiskSpec, at: datetime) -> float:
        """Return how full the disk is; on db-prod-02 the write-ahead log is piling up."""
        if host.name == "db-prod-02" and disk.mount != "/":
            age = max(0.0, min(1.05, 1 - (self.now - at) / DISK_HISTORY))
            risen = (disk.used_percent - 58) * math.pow(age, 1.6)
            return round(min(97.0, 58 + risen), 1)
        drift = 1.5 * noise(f"{host.name}{disk.mount}", midnight(at))
        return round(disk.used_percent + drift, 1)

    def _file_system(self, host: HostSpec, disk: DiskSpec, at: datetime) -> FileSystem:
        used_percent = self._used_percent(host, disk, at)
        total = disk.size_gib * GIB
        return FileSystem(
            mount=disk.mount,
            device=disk.device,
            used_percent=used_percent,
            used_bytes=int(total * used_percent / 100),
            total_bytes=total,
        )


def grid(start: datetime, end: datetime, step: timedelta) -> Sequence[datetime]:
    """Return the moments from start up to, not including, end."""
    return [start + step * index for index in range(max(0, -((start - end) // step)))]


def _percent(value: float) -> float:
    return round(min(100.0, max(0.0, value)), 1)
