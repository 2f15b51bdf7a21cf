"""What the agent tells the hub: one JSON object, the body of `POST /api/v1/ingest`."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import structlog

from hub.agent.facts import FactReader
from hub.agent.figures import FigureReader, Figures
from hub.agent.inventory import Signature, inventory_signature, read_inventory
from hub.agent.system import System, read_listening, read_system
from hub.agent.version import agent_version
from hub.clock import utc_now

INVENTORY_SECONDS = 6 * 3600
MAX_PACKAGES = 20_000  # what the hub takes
_LOOK_SECONDS = 30  # how often to ask whether the inventory may have changed
_RETRY_SECONDS = 300  # after it could not be read
_log = structlog.get_logger(__name__)


@dataclass
class Reporter:
    """Makes reports. The inventory rides along at first, when it changed, and every six hours."""

    figures: FigureReader = field(default_factory=FigureReader)
    facts: FactReader = field(default_factory=FactReader)
    # Not the time of day: set back by a year, it would keep the inventory away for as long.
    monotonic: Callable[[], float] = time.monotonic
    _told_digest: str = ""
    _told_at: float | None = None
    _look_at: float = 0.0
    _signature: Signature = ()

    def report(self) -> dict[str, Any]:
        """Return the next report."""
        system = read_system()
        report = report_of(utc_now(), system, self.figures.read())
        report |= self._inventory(system)
        if facts := self.facts.changed():
            report["facts"] = facts
        return report

    def forget_inventory(self) -> None:
        """Send the inventory again with the next report, because the last one did not arrive."""
        self._told_digest, self._told_at = "", None
        self._look_at = self.monotonic()
        self.facts.forget()

    def _inventory(self, system: System) -> dict[str, Any]:
        """Return what is installed and listens, if it is due; else nothing.

        Whatever keeps it from being read, the figures go out.
        """
        now = self.monotonic()
        if not self._is_due(now):
            return {}
        try:
            return self._changed(system, now)
        except Exception:  # noqa: BLE001 - package managers are killed, locked, broken
            _log.exception("inventory_not_read")
            self._look_at, self._signature = now + _RETRY_SECONDS, ()
            return {}

    def _is_due(self, now: float) -> bool:
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        return self._is_old(now) or inventory_signature() != self._signature

    def _is_old(self, now: float) -> bool:
        return self._told_at is None or now - self._told_at >= INVENTORY_SECONDS

    def _changed(self, system: System, now: float) -> dict[str, Any]:
        # Before it is read: what changes meanwhile is seen the next time.
        signature = inventory_signature()
        packages = read_inventory(system.os)
        digest = hashlib.sha256(repr(packages).encode()).hexdigest()
        self._signature = signature
        if digest == self._told_digest and not self._is_old(now):
            return {}
        self._told_digest, self._told_at = digest, now
        told: dict[str, Any] = {"listening": read_listening()}
        if packages is not None:  # an empty list would say that nothing is installed
            told["packages"] = [asdict(package) for package in packages[:MAX_PACKAGES]]
        return told


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
