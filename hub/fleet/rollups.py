"""Roll-ups: each hour of each agent as one row, from which older ranges are answered.

An hour is added up once it is over. What comes later marks its hour (`late_metric_hours`) in the
transaction that stores the sample, and the hour is added up anew. Always from the samples, so it
may be done twice; an hour whose samples were dropped is left as it is.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, DateTime, Select, Table, Uuid, and_, delete, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from hub.clock import hour_of
from hub.fleet.metric_models import LateMetricHour, MetricHour, MetricRollUp
from hub.fleet.models import MetricSample
from hub.fleet.reports import Sample

FIGURES = Sample._fields[2:]
HOUR = timedelta(hours=1)
KEEP_HOURS = timedelta(days=400)
# One transaction adds up so much at most: 1,000 agents have 5.8 million samples a day.
HOURS_A_TURN = 6
LATE_HOURS_A_TURN = 500

_HOURS: Table = MetricHour.__table__  # type: ignore[attr-defined]
_LATE: Table = LateMetricHour.__table__  # type: ignore[attr-defined]
_ROLLED: Table = MetricRollUp.__table__  # type: ignore[attr-defined]
_SAMPLES: Table = MetricSample.__table__  # type: ignore[attr-defined]
_KEY = ("tenant_id", "agent_id", "at")


def hour_columns() -> list[str]:
    """Return the columns that say how the figures moved, in the order they are added up."""
    return [f"{figure}_{word}" for figure in FIGURES for word in ("low", "mean", "high", "count")]


async def roll_up_hours(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> bool:
    """Add up the next hours that are over; tell whether there may be more of them.

    Of two processes at once the second waits for the first, and goes on after it.
    """
    since = await _rolled_until(session, tenant_id, now)
    until = min(since + HOURS_A_TURN * HOUR, hour_of(now))
    if until <= since:
        return False
    await session.execute(
        _stored(tenant_id, _added_up(and_(_SAMPLES.c.at >= since, _SAMPLES.c.at < until)))
    )
    await session.execute(
        _ROLLED.update().where(_ROLLED.c.tenant_id == tenant_id).values(rolled_until=until)
    )
    return until < hour_of(now)


async def roll_up_late_hours(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> bool:
    """Add up anew what late samples belong to; tell whether there may be more."""
    # Locked, so that two processes take different ones, and gone only when their hours are there.
    # A sample that comes meanwhile waits for its mark, and marks its hour once more.
    taken = (
        select(_LATE.c.agent_id, _LATE.c.at)
        .where(_LATE.c.at < hour_of(now))
        .limit(LATE_HOURS_A_TURN)
        .with_for_update(skip_locked=True)
        .cte("taken")
    )
    marks = (
        await session.execute(
            delete(_LATE)
            .where(_LATE.c.agent_id == taken.c.agent_id, _LATE.c.at == taken.c.at)
            .returning(_LATE.c.agent_id, _LATE.c.at)
        )
    ).all()
    if not marks:
        return False
    late = _marked([(mark.agent_id, mark.at) for mark in marks])
    await session.execute(_stored(tenant_id, _added_up_of(late)))
    return len(marks) == LATE_HOURS_A_TURN


async def forget_old_hours(session: AsyncSession, *, now: datetime) -> None:
    """Delete the hours that nobody can ask for any more."""
    await session.execute(delete(_HOURS).where(_HOURS.c.at < now - KEEP_HOURS))
