"""Writes of the fleet: what agents report, one at a time or many at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Float, Uuid, any_, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.clock import hour_of, utc_now
from hub.errors import InvalidInput
from hub.fleet.array_rows import array_rows
from hub.fleet.enrollment import (
    enroll_agent,
    enroll_agents,
    identity_columns,
)
from hub.fleet.inventory import replace_inventory
from hub.fleet.metric_models import LateMetricHour
from hub.fleet.models import Agent, AgentLatest, MetricSample
from hub.fleet.partitions import ensure_metric_partitions
from hub.fleet.reports import AgentReport, Figures, Sample, details_of, sample_of

__all__ = [
    "MAX_REPORT_AGE",
    "enroll_agent",
    "enroll_agents",
    "ensure_metric_partitions",
    "insert_metric_samples",
    "mark_late_hour",
    "record_report",
    "replace_inventory",
    "touch_agents",
    "upsert_latest",
]

MAX_REPORT_AGE = timedelta(days=7)
_SAMPLES_A_STATEMENT = 20_000
_SAMPLE_TYPES: dict[str, TypeEngine[Any]] = {
    "agent_id": Uuid(),
    "at": DateTime(timezone=True),
    **dict.fromkeys(Sample._fields[2:], Float()),
}


async def record_report(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    report: AgentReport,
    received_at: datetime | None = None,
) -> None:
    """Take in one report: its sample, and, unless a newer one came before, what is latest.

    An agent is alive when its report arrives, whatever its clock says; a clock that runs ahead
    must not make one report the latest for ever, so no report is from the future.
    """
    now = received_at or utc_now()
    if now - report.figures.at > MAX_REPORT_AGE:
        raise InvalidInput(
            f"`at` is more than {MAX_REPORT_AGE.days} days ago; check the host's clock.", field="at"
        )
    sample = sample_of(agent_id, report.figures, not_after=now)
    await insert_metric_samples(session, tenant_id=tenant_id, samples=[sample])
    if sample.at < hour_of(now):
        await mark_late_hour(session, tenant_id=tenant_id, agent_id=agent_id, at=sample.at)
    newest = await upsert_latest(
        session, tenant_id=tenant_id, figures={agent_id: report.figures}, not_after=now
    )
    told = identity_columns(report.identity) if agent_id in newest else {}
    await session.execute(
        update(Agent)
        .where(col(Agent.id) == agent_id)
        .values(last_seen_at=func.greatest(col(Agent.last_seen_at), now), **told),
        execution_options={"synchronize_session": False},
    )


async def upsert_latest(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    figures: Mapping[UUID, Figures],
    not_after: datetime | None = None,
) -> set[UUID]:
    """Store the newest figures by agent; return the agents whose figures were the newest."""
    if not figures:
        return set()
    rows = [
        _latest_row(tenant_id, agent_id, figures[agent_id], not_after)
        for agent_id in sorted(figures)
    ]
    statement = postgresql.insert(AgentLatest)
    new = statement.excluded
    newest = await session.scalars(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "agent_id"],
            set_={name: new[name] for name in rows[0] if name not in {"tenant_id", "agent_id"}},
            where=col(AgentLatest.at) <= new["at"],
        ).returning(col(AgentLatest.agent_id)),
        rows,
    )
    return set(newest)


async def insert_metric_samples(
    session: AsyncSession, *, tenant_id: UUID, samples: Sequence[Sample]
) -> None:
    """Add samples to the history; one that is there already stays as it is.

    The partitions of their weeks must exist (`ensure_metric_partitions`).
    """
    for batch in batched(samples, _SAMPLES_A_STATEMENT):
        told = array_rows("told", _SAMPLE_TYPES, batch)
        rows = postgresql.insert(MetricSample).from_select(
            ["tenant_id", *_SAMPLE_TYPES],
            select(literal(tenant_id, Uuid), *told.c),
            include_defaults=False,
        )
        await session.execute(rows.on_conflict_do_nothing())


async def mark_late_hour(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, at: datetime
) -> None:
    """Note that an hour which is over has one sample more: it is to be added up anew."""
    session.add(LateMetricHour(tenant_id=tenant_id, agent_id=agent_id, at=hour_of(at)))
    await session.flush()


async def touch_agents(
    session: AsyncSession, *, tenant_id: UUID, agent_ids: Collection[UUID], at: datetime
) -> None:
    """Note that these agents were alive at this moment."""
    await session.execute(
        update(Agent)
        .where(
            col(Agent.tenant_id) == tenant_id,
            col(Agent.id) == any_(literal(list(agent_ids), ARRAY(Uuid))),
        )
        .values(last_seen_at=func.greatest(col(Agent.last_seen_at), at)),
        execution_options={"synchronize_session": False},
    )


def _latest_row(
    tenant_id: UUID, agent_id: UUID, figures: Figures, not_after: datetime | None
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "agent_id": agent_id,
        "at": min(figures.at, not_after) if not_after else figures.at,
        "cpu_percent": figures.cpu_percent,
        "memory_percent": figures.memory_percent,
        "disk_percent": figures.disk_percent,
        "load1": figures.load1,
        "load5": figures.load5,
        "load15": figures.load15,
        "rx_mbps": figures.rx_mbps,
        "tx_mbps": figures.tx_mbps,
        "details": details_of(figures),
    }
