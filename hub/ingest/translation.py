"""From an agent's report to the hub's own terms."""

from hub.detections.events import SecurityEvent
from hub.fleet.fact_models import FactKind
from hub.fleet.reports import (
    AgentReport,
    Figures,
    FileSystem,
    HostIdentity,
    InstalledPackage,
)
from hub.ingest import report as wire


def agent_report(report: wire.Report) -> AgentReport:
    """Return the report as the fleet's commands take it."""
    return AgentReport(figures=figures_of(report), identity=_identity(report))


def installed_packages(report: wire.Report) -> list[InstalledPackage] | None:
    """Return the inventory, or None when the report brings none."""
    if report.packages is None:
        return None
    return [
        InstalledPackage(
            package.ecosystem,
            package.name,
            package.version,
            package.source_name,
            package.source_version,
        )
        for package in report.packages
    ]


def security_events(report: wire.Report) -> list[SecurityEvent]:
    """Return what happened on the host, as the rules read it."""
    return [SecurityEvent(**dict(event)) for event in report.events]


def host_facts(report: wire.Report) -> dict[FactKind, list[dict[str, object]]]:
    """Return what the host told of each kind; of a kind that did not change it tells nothing."""
    if report.facts is None:
        return {}
    told = report.facts.model_dump(mode="json")
    return {FactKind(kind): items for kind, items in told.items() if items is not None}


def figures_of(report: wire.Report) -> Figures:
    """Return what was measured."""
    figures = report.figures
    return Figures(
        at=report.at,
        cpu_percent=figures.cpu_percent,
        memory_percent=figures.memory_percent,
        load1=figures.load1,
        load5=figures.load5,
        load15=figures.load15,
        rx_mbps=figures.rx_mbps,
        tx_mbps=figures.tx_mbps,
        disks=[
            FileSystem(
                mount=disk.mount,
                device=disk.device,
                used_percent=disk.used_percent,
                used_bytes=disk.used_bytes,
                total_bytes=disk.total_bytes,
            )
            for disk in figures.disks
        ],
    )


def _identity(report: wire.Report) -> HostIdentity:
    """Return what the host told of itself; what it left blank stays as it is known."""
    system = report.system
    return HostIdentity(
        addresses=system.addresses or None,
        os_id=system.os.id or None,
        os_name=system.os.name or None,
        os_version=system.os.version or None,
        kernel_release=system.kernel_release or None,
        architecture=system.architecture or None,
        cpu_count=system.cpu_count,
        memory_bytes=system.memory_bytes,
        agent_version=report.agent_version or None,
    )
