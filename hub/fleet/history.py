"""Summaries of the metric history. Each function is one SQL statement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.models import MetricSample


class AgentSince(NamedTuple):
    """An agent's history from a moment on; keys that are loaded together share the moment."""

    agent_id: UUID
    since: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """How one figure moved; all None when it was not measured."""

    low: float | None
    mean: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """How an agent's figures moved, over how many samples."""

    sample_count: int
    cpu_percent: Range
    memory_percent: Range
    disk_percent: Range


_FIGURES = (MetricSample.cpu_percent, MetricSample.memory_percent, MetricSample.disk_percent)


async def metric_summaries(
    session: AsyncSession, keys: Collection[AgentSince]
) -> dict[AgentSince, MetricSummary]:
    """Return lowest, mean and highest figures of agents; one without samples is absent."""
    since = min(key.since for key in keys)
    rows = await session.execute(
        select(
            col(MetricSample.agent_id),
            func.count(),
            *(
                summary(col(figure))
                for figure in _FIGURES
                for summary in (func.min, func.avg, func.max)
            ),
        )
        .where(
            col(MetricSample.agent_id).in_([key.agent_id for key in keys]),
            col(MetricSample.at) >= since,
        )
        .group_by(col(MetricSample.agent_id))
    )
    return {
        AgentSince(agent_id, since): MetricSummary(
            count, Range(*figures[0:3]), Range(*figures[3:6]), Range(*figures[6:9])
        )
        for agent_id, count, *figures in rows
    }
