"""Reads of service levels. Each function is one SQL statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.models import Agent
from hub.sla.budget import BURN_PERIODS, Budget, Seconds, SlaState, budget_of
from hub.sla.models import SlaIndicator, SlaObservation, SlaTarget

_WORST_FIRST = (SlaState.BREACHED, SlaState.AT_RISK, SlaState.UNKNOWN, SlaState.MET)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaStanding:
    """One target, and where it stands."""

    id: UUID
    name: str
    description: str
    indicator: SlaIndicator
    agent_name: str | None
    objective: float
    window_days: int
    budget: Budget


async def sla_standings(session: AsyncSession, *, now: datetime) -> list[SlaStanding]:
    """Return every target with where it stands, those in trouble first, then by name."""
    rows = (await session.execute(_totals(now))).mappings().all()
    standings: Sequence[SlaStanding] = [_standing(row, now) for row in rows]
    return sorted(
        standings, key=lambda one: (_WORST_FIRST.index(one.budget.state), one.name.casefold())
    )


def _totals(now: datetime) -> Select[Any]:
    """Select the targets with their good and bad seconds, over the window and lately."""
    good, bad, at = (
        col(SlaObservation.good_seconds),
        col(SlaObservation.bad_seconds),
        col(SlaObservation.at),
    )
    sums: list[ColumnElement[Any]] = [
        func.sum(good).label("good"),
        func.sum(bad).label("bad"),
        func.min(at).label("observed_since"),
    ]
    for name, period in BURN_PERIODS.items():
        is_recent = at >= now - period
        sums += [
            func.sum(good).filter(is_recent).label(f"good_{name}"),
            func.sum(bad).filter(is_recent).label(f"bad_{name}"),
        ]
    observed = (
        select(*sums)
        .where(
            col(SlaObservation.tenant_id) == col(SlaTarget.tenant_id),
            col(SlaObservation.target_id) == col(SlaTarget.id),
            at >= literal(now) - func.make_interval(0, 0, 0, col(SlaTarget.window_days)),
            at < now,
        )
        .lateral("observed")
    )
    return (
        select(
            col(SlaTarget.id),
            col(SlaTarget.name),
            col(SlaTarget.description),
            col(SlaTarget.indicator),
            col(SlaTarget.objective),
            col(SlaTarget.window_days),
            col(SlaTarget.minimum_data),
            col(SlaTarget.created_at),
            col(Agent.name).label("agent_name"),
            *observed.c,
        )
        .outerjoin(Agent, col(Agent.id) == col(SlaTarget.agent_id))
        .join(observed, literal(value=True))
    )


def _standing(row: RowMapping, now: datetime) -> SlaStanding:
    since = min(row["created_at"], row["observed_since"] or row["created_at"])
    return SlaStanding(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        indicator=row["indicator"],
        agent_name=row["agent_name"],
        objective=row["objective"],
        window_days=row["window_days"],
        budget=budget_of(
            objective=row["objective"],
            window=timedelta(days=row["window_days"]),
            age=max(now - since, timedelta()),
            minimum_data=row["minimum_data"],
            seen=Seconds(row["good"] or 0.0, row["bad"] or 0.0),
            recent={
                name: Seconds(row[f"good_{name}"] or 0.0, row[f"bad_{name}"] or 0.0)
                for name in BURN_PERIODS
            },
        ),
    )
