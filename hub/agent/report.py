"""What the agent tells the hub: one JSON object, the body of `POST /api/v1/ingest`."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from hub.agent.facts import FactReader
from hub.agent.figures import FigureReader, Figures
from hub.agent.inventory import Signature, inventory_signature, read_inventory
from hub.agent.packages import Package
from hub.agent.system import System, read_listening, read_system
from hub.agent.version import agent_version
from hub.clock import utc_now

INVENTORY_SECONDS = 6 * 3600
_LOOK_SECONDS = 30  # how often to ask whether the inventory may have changed


@dataclass
class Reporter:
    """Makes reports. The inventory rides along at first, when it changed, and every six hours."""

    figures: FigureReader = field(default_factory=FigureReader)
    facts: FactReader = field(default_factory=FactReader)
    _inventory_digest: str = ""
    _inventory_at: datetime | None = None
    _looked_at: datetime | None = None
    _signature: Signature = ()

    def report(self) -> dict[str, Any]:
        """Return the next report."""
        now = utc_now()
        system = read_system()
        report = report_of(now, system, self.figures.read())
        packages = self._packages_to_send(now, system)
        if packages is not None:
            report["listening"] = read_listening()
            report["packages"] = [asdict(package) for package in packages]
        if facts := self.facts.changed():
            report["facts"] = facts
        return report

    def forget_inventory(self) -> None:
        """Send the inventory again with the next report, because the last one did not arrive."""
        self._inventory_digest, self._inventory_at = "", None
        self.facts.forget()

    def _packages_to_send(self, now: datetime, system: System) -> list[Package] | None:
        """Return the inventory if it is due; reading it costs too much for every report."""
        if not self._is_inventory_due(now):
            return None
        self._inventory_at = self._looked_at = now
        # Before it is read: what changes meanwhile is seen the next time.
        self._signature = inventory_signature()
        packages = read_inventory(system.os)
        digest = hashlib.sha256(repr(packages).encode()).hexdigest()
        if packages is None or digest == self._inventory_digest:
            return None
        self._inventory_digest = digest
        return packages

    def _is_inventory_due(self, now: datetime) -> bool:
        if self._inventory_at is None or self._looked_at is None:
            return True
        if (now - self._inventory_at).total_seconds() >= INVENTORY_SECONDS:
            return True
        if (now - self._looked_at).total_seconds() < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return inventory_signature() != self._signature


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
