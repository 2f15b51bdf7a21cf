"""Roll-ups: each hour of each agent as one row, from which older ranges are answered.

An hour is added up once it is over. What comes later marks its hour (`late_metric_hours`) in the
transaction that stores the sample, and the hour is added up anew. Always from the samples, so it
may be done twice; an hour whose samples were dropped is left as it is.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Table,
    Uuid,
    and_,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from hub.clock import hour_of
from hub.fleet.array_rows import array_rows
from hub.fleet.metric_models import LateMetricHour, MetricHour, MetricRollUp
from hub.fleet.models import MetricSample
from hub.fleet.reports import Sample

FIGURES = Sample._fields[2:]
HOUR = timedelta(hours=1)
KEEP_HOURS = timedelta(days=400)
# One transaction adds up so much at most: 1,000 hosts have 1.4 million samples in six hours.
HOURS_A_TURN = 6
LATE_MARKS_A_TURN = 2_000

_HOURS: Table = MetricHour.__table__  # type: ignore[attr-defined]
_LATE: Table = LateMetricHour.__table__  # type: ignore[attr-defined]
_ROLLED: Table = MetricRollUp.__table__  # type: ignore[attr-defined]
_SAMPLES: Table = MetricSample.__table__  # type: ignore[attr-defined]
_INSTANT = DateTime(timezone=True)
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
    """Add up anew what late samples belong to; tell whether there may be more.

    Marks are taken first, so a sample that comes meanwhile brings a mark that stays.
    """
    taken = (
        select(_LATE.c.id)
        .where(_LATE.c.at < hour_of(now))
        .limit(LATE_MARKS_A_TURN)
        .with_for_update(skip_locked=True)
    )
    marks = await session.execute(
        delete(_LATE)
        .where(_LATE.c.tenant_id == tenant_id, _LATE.c.id.in_(taken))
        .returning(_LATE.c.agent_id, _LATE.c.at)
    )
    late = [(mark.agent_id, mark.at) for mark in marks]
    if late:
        await session.execute(_stored(tenant_id, _added_up(_of(sorted(set(late))))))
    return len(late) == LATE_MARKS_A_TURN


async def forget_old_hours(session: AsyncSession, *, now: datetime) -> None:
    """Delete the hours that nobody can ask for any more."""
    await session.execute(delete(_HOURS).where(_HOURS.c.at < now - KEEP_HOURS))


async def _rolled_until(session: AsyncSession, tenant_id: UUID, now: datetime) -> datetime:
    """Return, and lock, how far the tenant's hours are added up; from its first sample on."""
    first = select(
        literal(tenant_id, Uuid),
        func.coalesce(
            func.date_trunc("hour", func.min(_SAMPLES.c.at), "UTC"),
            literal(hour_of(now), _INSTANT),
        ),
    )
    begun = postgresql.insert(_ROLLED).from_select(["tenant_id", "rolled_until"], first)
    locked = select(_ROLLED.c.rolled_until).with_for_update()
    until: datetime | None = await session.scalar(locked)
    if until is None:
        await session.execute(begun.on_conflict_do_nothing())
        until = (await session.execute(locked)).scalar_one()
    return until


def _of(late: Sequence[tuple[UUID, datetime]]) -> ColumnElement[bool]:
    """Return the condition that a sample belongs to one of these hours."""
    types: dict[str, TypeEngine[Any]] = {"agent_id": Uuid(), "at": _INSTANT}
    hours = array_rows("late", types, late)
    return (
        select(literal(1))
        .select_from(hours)
        .where(
            hours.c.agent_id == _SAMPLES.c.agent_id,
            _SAMPLES.c.at >= hours.c.at,
            _SAMPLES.c.at < hours.c.at + HOUR,
        )
        .exists()
    )


def _added_up(condition: ColumnElement[bool]) -> Select[Any]:
    """Return the hours of the samples that meet the condition."""
    hour = func.date_trunc("hour", _SAMPLES.c.at, "UTC")
    columns = [
        summary(_SAMPLES.c[figure])
        for figure in FIGURES
        for summary in (func.min, func.avg, func.max, func.count)
    ]
    return (
        select(_SAMPLES.c.agent_id, hour.label("hour"), func.count().label("samples"), *columns)
        .where(condition)
        .group_by(_SAMPLES.c.agent_id, hour)
    )


def _stored(tenant_id: UUID, hours: Select[Any]) -> Any:
    added_up = hours.subquery("added_up")
    names = ["sample_count", *hour_columns()]
    statement = postgresql.insert(_HOURS).from_select(
        [*_KEY, *names], select(literal(tenant_id, Uuid), *added_up.c), include_defaults=False
    )
    return statement.on_conflict_do_update(
        index_elements=list(_KEY), set_={name: statement.excluded[name] for name in names}
    )
