"""GraphQL face of the metric history: how one host's figures moved."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from hub.clock import parse_instant
from hub.errors import InvalidInput
from hub.fleet.history import MetricPoint, metric_series
from hub.fleet.queries import agent_id_of
from hub.fleet.rollups import KEEP_HOURS
from hub.principal import Permission
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.fleet_types import MetricRangeType


@strawberry.type(
    name="MetricPoint", description="How a host's figures moved during one step of a series."
)
class MetricPointType:
    """One point, as clients see it."""

    at: datetime = leaf(EgressClass.TIME, "When the step begins.")
    sample_count: int = leaf(EgressClass.COUNT, "How many samples it is made of.")
    cpu_percent: MetricRangeType = part("CPU in use.")
    memory_percent: MetricRangeType = part("Memory in use.")
    disk_percent: MetricRangeType = part("Use of the fullest file system.")
    load1: MetricRangeType = part("Load of 1 minute.")
    rx_mbps: MetricRangeType = part("Received, in Mbit/s.")
    tx_mbps: MetricRangeType = part("Sent, in Mbit/s.")

    @classmethod
    def of(cls, point: MetricPoint) -> Self:
        """Shape one point."""
        figures = {name: MetricRangeType.of(one) for name, one in point.figures.items()}
        return cls(at=point.at, sample_count=point.sample_count, **figures)


@strawberry.type(name="Query")
class MetricHistoryQuery:
    """Metric history of the query root."""

    @guarded(
        Permission.AGENTS_READ,
        "How one host's figures moved, oldest first, in at most about 300 even steps. Steps without"
        " samples are absent. What is older than two days comes from hourly figures.",
    )
    async def metric_history(
        self,
        info: Info,
        *,
        agent: Annotated[str, strawberry.argument(description="The host's name or id.")],
        since: Annotated[
            str, strawberry.argument(description="A duration back or an RFC 3339 instant.")
        ] = "24h",
        until: Annotated[
            str | None,
            strawberry.argument(description="The same, for its end; now when left out."),
        ] = None,
    ) -> list[MetricPointType]:
        """Translate arguments, delegate, shape the answer."""
        work, now = info.context.work, info.context.now
        last = now if until is None else min(now, parse_instant(until, now=now, field="until"))
        first = max(parse_instant(since, now=now, field="since"), now - KEEP_HOURS)
        if first >= last:
            raise InvalidInput("`since` must be before `until`.", field="since")
        agent_id = await work.run(agent_id_of, agent)
        points = await work.run(metric_series, agent_id=agent_id, since=first, until=last)
        return [MetricPointType.of(point) for point in points]
