"""What hosts tell the hub, in the hub's own terms; every ingest format is translated into these."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """What a host is. None means not told, so what is known stays as it is."""

    tags: Sequence[str] | None = None  # `key:value`
    addresses: Sequence[str] | None = None
    os_id: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    kernel_release: str | None = None
    architecture: str | None = None
    cpu_count: int | None = None
    memory_bytes: int | None = None
    agent_version: str | None = None


@dataclass(frozen=True, slots=True)
class NewAgent:
    """A host that is to be known to the hub."""

    name: str
    identity: HostIdentity = field(default_factory=HostIdentity)
    id: UUID | None = None  # for deterministic data; ignored when the name is known already
    enrolled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FileSystem:
    """How full one file system is."""

    mount: str
    used_percent: float
    device: str = ""
    used_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a host measured at one moment; None is what it did not measure."""

    at: datetime
    cpu_percent: float | None = None
    memory_percent: float | None = None
    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    rx_mbps: float | None = None
    tx_mbps: float | None = None
    disks: Sequence[FileSystem] = ()

    @property
    def disk_percent(self) -> float | None:
        """How full the fullest file system is."""
        return max((disk.used_percent for disk in self.disks), default=None)


@dataclass(frozen=True, slots=True)
class AgentReport:
    """One report of one agent."""

    figures: Figures
    identity: HostIdentity = field(default_factory=HostIdentity)


class Sample(NamedTuple):
    """One row of the metric history; a tuple, because benchmarks write millions of them."""

    agent_id: UUID
    at: datetime
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    load1: float | None = None
    rx_mbps: float | None = None
    tx_mbps: float | None = None


class InstalledPackage(NamedTuple):
    """One package as the host's package manager names it."""

    ecosystem: str  # OSV's spelling: `Debian:12`, `npm`…
    name: str
    version: str
    source_name: str = ""
    source_version: str = ""


def sample_of(agent_id: UUID, figures: Figures, *, not_after: datetime) -> Sample:
    """Return the history's row; a clock that runs ahead must not write into the future."""
    return Sample(
        agent_id,
        min(figures.at, not_after),
        figures.cpu_percent,
        figures.memory_percent,
        figures.disk_percent,
        figures.load1,
        figures.rx_mbps,
        figures.tx_mbps,
    )


def details_of(figures: Figures) -> dict[str, object]:
    """Return what is kept of the latest figures beside the columns."""
    return {
        "disks": [
            {
                "mount": disk.mount,
                "device": disk.device,
                "used_percent": disk.used_percent,
                "used_bytes": disk.used_bytes,
                "total_bytes": disk.total_bytes,
            }
            for disk in figures.disks
        ]
    }
