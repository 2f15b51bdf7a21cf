"""GraphQL face of the overview: the whole tenant in a few figures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

import strawberry

from hub.overview.queries import Overview
from hub.overview.summary import current_summary
from hub.principal import Permission
from hub.sla.budget import SlaState
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.figures import SeverityCounts, rounded


@strawberry.type(description="The Trust Score, and how it moved.")
class TrustSummary:
    """The score without its parts."""

    total: float | None = leaf(EgressClass.SCORE, "0 to 100; null while there is no data.")
    delta_day: float | None = leaf(
        EgressClass.SCORE, "Change since yesterday; null when either is unknown."
    )
    delta_week: float | None = leaf(
        EgressClass.SCORE, "Change in 7 days; null when either is unknown."
    )


@strawberry.type(description="How many service-level targets are in each state.")
class SlaCounts:
    """Counts by state."""

    met: int = leaf(EgressClass.COUNT, "Targets that are met.")
    at_risk: int = leaf(EgressClass.COUNT, "Targets whose error budget is nearly spent.")
    breached: int = leaf(EgressClass.COUNT, "Targets that are missed.")
    unknown: int = leaf(EgressClass.COUNT, "Targets with too little data.")

    @classmethod
    def of(cls, counts: Mapping[SlaState, int]) -> Self:
        """Shape the counts."""
        return cls(**{state.value: count for state, count in counts.items()})


@strawberry.type(description="How many agents report.")
class AgentCounts:
    """Counts by status."""

    online: int = leaf(EgressClass.COUNT, "Agents heard of in the last 90 seconds.")
    offline: int = leaf(EgressClass.COUNT, "Agents that are silent.")


@strawberry.type(name="Overview", description="How the tenant is doing, in a few figures.")
class OverviewType:
    """Overview, as clients see it."""

    as_of: datetime = leaf(EgressClass.TIME, "The moment the figures hold for.")
    trust_score: TrustSummary = part("The Trust Score, and how it moved.")
    open_alerts: SeverityCounts = part("Open alerts.")
    open_detections: SeverityCounts = part("Unacknowledged detections of the last 24 hours.")
    sla_targets: SlaCounts = part("Service-level targets.")
    agents: AgentCounts = part("Agents.")

    @classmethod
    def of(cls, figures: Overview, sla: Mapping[SlaState, int]) -> Self:
        """Shape the figures."""
        return cls(
            as_of=figures.as_of,
            trust_score=TrustSummary(
                total=rounded(figures.trust_total, 1),
                delta_day=rounded(figures.trust_delta_day, 1),
                delta_week=rounded(figures.trust_delta_week, 1),
            ),
            open_alerts=SeverityCounts.of(figures.open_alerts),
            open_detections=SeverityCounts.of(figures.open_detections),
            sla_targets=SlaCounts.of(sla),
            agents=AgentCounts(online=figures.agents_online, offline=figures.agents_offline),
        )


@strawberry.type(name="Query")
class OverviewQuery:
    """Overview field of the query root."""

    @guarded(Permission.OVERVIEW_READ, "The tenant in a few figures, at most 20 seconds old.")
    async def overview(self, info: Info) -> OverviewType:
        """Delegate, shape the answer."""
        context = info.context
        summary = await context.work.run(
            current_summary, tenant_id=context.principal.tenant_id, now=context.now
        )
        return OverviewType.of(summary.overview, summary.sla)
