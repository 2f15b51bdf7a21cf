"""GraphQL types of the fleet: an agent, and what is loaded beside it."""

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import strawberry

from hub.alerts.queries import MAX_ALERTS_AN_AGENT, open_alerts_by_agent
from hub.detections.queries import MAX_DETECTIONS_AN_AGENT, open_detections_by_agent
from hub.fleet.facts import facts_by_agent
from hub.fleet.history import AgentSince, MetricSummary, Range, metric_summaries
from hub.fleet.queries import AgentRow, disks_by_agent
from hub.fleet.status import AgentStatus, AgentStatusFilter, status_at
from hub.fleet.vulnerability_counts import UnfixedCounts, unfixed_counts_by_agent
from hub.principal import Permission
from hub.severity import Severity
from hub_schema.alerts import AlertType
from hub_schema.context import Info
from hub_schema.detection_types import DetectionType
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.enums import describe
from hub_schema.host_facts import HostFactsType

describe(
    AgentStatus,
    "Whether an agent reports.",
    {
        AgentStatus.ONLINE: "It was heard of within the last 90 seconds.",
        AgentStatus.OFFLINE: "It is silent, or never reported.",
    },
)
describe(
    AgentStatusFilter,
    "Which agents a list shows.",
    {
        AgentStatusFilter.ONLINE: "Those that report.",
        AgentStatusFilter.OFFLINE: "Those that are silent.",
        AgentStatusFilter.ALL: "Both.",
    },
)

_SUMMARY_WINDOW = timedelta(hours=24)


def _rounded(figure: float | None) -> float | None:
    """Return the figure as people read it; more digits would only fill the answer."""
    return None if figure is None else round(figure, 1)


@strawberry.type(name="Disk", description="One file system of a host.")
class DiskType:
    """File system, as clients see it."""

    mount: str = leaf(EgressClass.HOST_METRIC, "Where it is mounted.")
    device: str = leaf(EgressClass.HOST_METRIC, "What is mounted; empty when not told.")
    used_percent: float | None = leaf(EgressClass.HOST_METRIC, "How full it is.")
    used_bytes: float | None = leaf(EgressClass.HOST_METRIC, "Used bytes; null when not told.")
    total_bytes: float | None = leaf(EgressClass.HOST_METRIC, "Its size; null when not told.")

    @classmethod
    def of(cls, disk: dict[str, Any]) -> Self:
        """Shape one file system."""
        return cls(
            mount=disk["mount"],
            device=disk["device"],
            used_percent=_rounded(disk["used_percent"]),
            used_bytes=disk["used_bytes"],
            total_bytes=disk["total_bytes"],
        )


@strawberry.type(name="MetricRange", description="How one figure moved; null where not measured.")
class MetricRangeType:
    """Lowest, mean and highest of a figure."""

    min: float | None = leaf(EgressClass.HOST_METRIC, "The lowest.")
    mean: float | None = leaf(EgressClass.HOST_METRIC, "The mean.")
    max: float | None = leaf(EgressClass.HOST_METRIC, "The highest.")

    @classmethod
    def of(cls, figure: Range) -> Self:
        """Shape one figure."""
        return cls(min=_rounded(figure.low), mean=_rounded(figure.mean), max=_rounded(figure.high))


@strawberry.type(name="MetricSummary", description="How a host's figures moved over a time.")
class MetricSummaryType:
    """Summary, as clients see it."""

    sample_count: int = leaf(EgressClass.COUNT, "How many samples it is made of.")
    cpu_percent: MetricRangeType = part("CPU in use.")
    memory_percent: MetricRangeType = part("Memory in use.")
    disk_percent: MetricRangeType = part("Use of the fullest file system.")

    @classmethod
    def of(cls, summary: MetricSummary) -> Self:
        """Shape one summary."""
        return cls(
            sample_count=summary.sample_count,
            cpu_percent=MetricRangeType.of(summary.cpu_percent),
            memory_percent=MetricRangeType.of(summary.memory_percent),
            disk_percent=MetricRangeType.of(summary.disk_percent),
        )


@strawberry.type(
    name="VulnerabilityCounts",
    description="How many vulnerabilities are not fixed yet, by severity.",
)
class VulnerabilityCountsType:
    """Counts, as clients see them."""

    critical: int = leaf(EgressClass.COUNT, "Critical ones.")
    high: int = leaf(EgressClass.COUNT, "High ones.")
    medium: int = leaf(EgressClass.COUNT, "Medium ones.")
    low: int = leaf(EgressClass.COUNT, "Low ones.")
    info: int = leaf(EgressClass.COUNT, "Those worth knowing.")
    reboot_pending: int = leaf(EgressClass.COUNT, "Of these, fixed by a reboot.")

    @classmethod
    def of(cls, counts: UnfixedCounts) -> Self:
        """Shape the counts; a severity without any is 0."""
        return cls(
            **{severity.value: counts.by_severity.get(severity, 0) for severity in Severity},
            reboot_pending=counts.reboot_pending,
        )


@strawberry.type(name="Agent", description="A host that reports, or reported, to the hub.")
class AgentType:
    """Agent, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the agent in this tenant.")
    name: str = leaf(EgressClass.HOST_IDENTITY, "The host's name, unique in this tenant.")
    status: AgentStatus = leaf(EgressClass.HOST_IDENTITY, "Whether it reports.")
    last_seen_at: datetime | None = leaf(
        EgressClass.TIME, "When it was last heard of; null when never."
    )
    enrolled_at: datetime = leaf(EgressClass.TIME, "Since when it is known.")
    os: str = leaf(EgressClass.HOST_IDENTITY, "Its operating system; empty when not told.")
    kernel: str = leaf(EgressClass.HOST_IDENTITY, "Its running kernel; empty when not told.")
    architecture: str = leaf(EgressClass.HOST_IDENTITY, "Its processor's kind, as x86_64.")
    agent_version: str = leaf(EgressClass.HOST_IDENTITY, "Version of the reporting program.")
    addresses: list[str] = leaf(EgressClass.HOST_IDENTITY, "Its IP addresses.")
    tags: list[str] = leaf(EgressClass.HOST_IDENTITY, "Its tags, as `env:production`.")
    cpu_count: int | None = leaf(EgressClass.HOST_METRIC, "How many CPUs; null when not told.")
    memory_bytes: float | None = leaf(EgressClass.HOST_METRIC, "Its memory; null when not told.")
    measured_at: datetime | None = leaf(
        EgressClass.TIME, "When the figures were measured; null when never."
    )
    cpu_percent: float | None = leaf(EgressClass.HOST_METRIC, "CPU in use; null if not measured.")
    memory_percent: float | None = leaf(
        EgressClass.HOST_METRIC, "Memory in use; null if not measured."
    )
    disk_percent: float | None = leaf(
        EgressClass.HOST_METRIC, "Use of the fullest file system; null if not measured."
    )
    load1: float | None = leaf(EgressClass.HOST_METRIC, "Load of 1 minute; null if not measured.")
    load5: float | None = leaf(EgressClass.HOST_METRIC, "Load of 5 minutes; null if not measured.")
    load15: float | None = leaf(
        EgressClass.HOST_METRIC, "Load of 15 minutes; null if not measured."
    )
    open_alert_count: int = leaf(EgressClass.COUNT, "How many alerts are open on it.")

    @part("Its file systems, fullest first.")
    async def disks(self, info: Info) -> list[DiskType]:
        """Load the file systems of all agents of the answer together."""
        disks = await info.context.load(disks_by_agent, self.id)
        return [DiskType.of(disk) for disk in disks or []]

    @part("How its figures moved in the last 24 hours; null when nothing was measured.")
    async def last_day(self, info: Info) -> MetricSummaryType | None:
        """Load the summaries of all agents of the answer together."""
        key = AgentSince(self.id, info.context.now - _SUMMARY_WINDOW)
        summary = await info.context.load(metric_summaries, key)
        return MetricSummaryType.of(summary) if summary else None

    @part("What it is beyond its figures; null when it never told.")
    async def facts(self, info: Info) -> HostFactsType | None:
        """Load the facts of all agents of the answer together."""
        facts = await info.context.load(facts_by_agent, self.id)
        return HostFactsType.of(facts, now=info.context.now) if facts else None

    @guarded(
        Permission.ALERTS_READ,
        f"Its open alerts, worst and newest first, at most {MAX_ALERTS_AN_AGENT}.",
    )
    async def open_alerts(self, info: Info) -> list[AlertType]:
        """Load the alerts of all agents of the answer together."""
        rows = await info.context.load(open_alerts_by_agent, self.id)
        return [AlertType.of(row) for row in rows or []]

    @guarded(
        Permission.DETECTIONS_READ,
        f"Its open detections, newest first, at most {MAX_DETECTIONS_AN_AGENT}.",
    )
    async def open_detections(self, info: Info) -> list[DetectionType]:
        """Load the detections of all agents of the answer together."""
        rows = await info.context.load(open_detections_by_agent, self.id)
        return [DetectionType.of(row) for row in rows or []]

    @guarded(Permission.VULNERABILITIES_READ, "Its vulnerabilities that are not fixed yet.")
    async def vulnerability_counts(self, info: Info) -> VulnerabilityCountsType:
        """Load the counts of all agents of the answer together."""
        counts = await info.context.load(unfixed_counts_by_agent, self.id)
        return VulnerabilityCountsType.of(counts or UnfixedCounts())

    @classmethod
    def of(cls, row: AgentRow, *, now: datetime) -> Self:
        """Shape one row, as of now."""
        return cls(
            id=row.id,
            name=row.name,
            status=status_at(row.last_seen_at, now),
            last_seen_at=row.last_seen_at,
            enrolled_at=row.enrolled_at,
            os=row.os_name,
            kernel=row.kernel_release,
            architecture=row.architecture,
            agent_version=row.agent_version,
            addresses=list(row.addresses),
            tags=list(row.tags),
            cpu_count=row.cpu_count,
            memory_bytes=row.memory_bytes,
            measured_at=row.measured_at,
            cpu_percent=_rounded(row.cpu_percent),
            memory_percent=_rounded(row.memory_percent),
            disk_percent=_rounded(row.disk_percent),
            load1=row.load1,
            load5=row.load5,
            load15=row.load15,
            open_alert_count=row.open_alert_count,
        )
