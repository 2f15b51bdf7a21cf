"""What the agent tells the hub: one JSON object, the body of `POST /api/v1/ingest`."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from hub.agent.figures import FigureReader, Figures
from hub.agent.packages import Package, read_packages
from hub.agent.system import System, read_listening, read_system
from hub.agent.version import agent_version
from hub.clock import utc_now

INVENTORY_SECONDS = 6 * 3600


@dataclass
class Reporter:
    """Makes reports. The inventory rides along at first, when it changed, and every six hours."""

    figures: FigureReader = field(default_factory=FigureReader)
    _inventory_digest: str = ""
    _inventory_at: datetime | None = None

    def report(self) -> dict[str, Any]:
        """Return the next report."""
        now = utc_now()
        system = read_system()
        report = report_of(now, system, self.figures.read())
        packages = self._packages_to_send(now, system)
        if packages is not None:
            report["listening"] = read_listening()
            report["packages"] = [asdict(package) for package in packages]
        return report

    def forget_inventory(self) -> None:
        """Send the inventory again with the next report, because the last one did not arrive."""
        self._inventory_digest, self._inventory_at = "", None

    def _packages_to_send(self, now: datetime, system: System) -> list[Package] | None:
        """Return the inventory if it is due; reading it costs too much for every report."""
        if self._inventory_at and (now - self._inventory_at).total_seconds() < INVENTORY_SECONDS:
            return None
        self._inventory_at = now
        packages = read_packages(system.os)
        digest = hashlib.sha256(repr(packages).encode()).hexdigest()
        if packages is None or digest == self._inventory_digest:
            return None
        self._inventory_digest = digest
        return packages


def report_of(at: datetime, system: System, figures: Figures) -> dict[str, Any]:
    """Return the report of these facts and figures, without an inventory."""
    return {
        "at": at.isoformat(),
        "agent_version": agent_version(),
        "system": {
            "os": {"id": system.os.id, "name": system.os.name, "version": system.os.version},
            "kernel_release": system.kernel_release,
            "architecture": system.architecture,
            "addresses": system.addresses,
            "cpu_count": system.cpu_count,
            "memory_bytes": system.memory_bytes,
        },
        "figures": asdict(figures),
    }


def encode(report: dict[str, Any]) -> bytes:
    """Return the report as it goes over the wire."""
    return json.dumps(report, separators=(",", ":"), allow_nan=False).encode()
