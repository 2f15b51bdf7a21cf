"""Roll-ups: each hour of a target with all that was before it.

The difference of two rows is any window: 90 days cost two look-ups, as five minutes do.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    FromClause,
    Subquery,
    Uuid,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.sla.models import SlaHour, SlaObservation, SlaTarget

_HOURS = SlaHour.__table__  # type: ignore[attr-defined]
_OBSERVATIONS = SlaObservation.__table__  # type: ignore[attr-defined]
GRID = 2.0**24


def on_grid(seconds: float) -> float:
    """Return the seconds on a grid of 2⁻²⁴ s, on which sums of seventeen years are exact.

    Windows are differences of such sums; off the grid they would lose what is tiny beside them.
    """
    return round(seconds * GRID) / GRID


def counted(seconds: Any) -> ColumnElement[float]:
    """Return what counts of an observation's seconds: what is not maintenance, on the grid."""
    counts = col(seconds) * (1 - col(SlaObservation.excluded_share))
    return func.round(counts * GRID, type_=Float()) / GRID


async def take_turns(session: AsyncSession, *, target_ids: Collection[UUID] | None) -> None:
    """Let writers of these targets (None: of all) wait for one another until the transaction ends.

    An hour is added up from all its observations. Of two at once neither would see what the other
    one stored, and the later sum would leave it out, in that hour and in all after it.
    """
    target = col(SlaTarget.id)
    statement = select(target).order_by(target).with_for_update(key_share=True)
    if target_ids is not None:
        statement = statement.where(target.in_(target_ids))
    await session.execute(statement)


async def roll_up(
    session: AsyncSession, *, tenant_id: UUID, touched: Mapping[UUID, datetime]
) -> None:
    """Add up the hours of these targets anew, each from the hour of its moment on.

    From the observations, so that it may be done twice, and so that a late word reaches all hours
    after it; as a rule only the current hour is concerned.
    """
    if not touched:
        return
    types: dict[str, TypeEngine[Any]] = {"target_id": Uuid(), "since": DateTime(timezone=True)}
    since = {
        target_id: at.replace(minute=0, second=0, microsecond=0)
        for target_id, at in sorted(touched.items())
    }
    asked = array_rows("asked", types, since.items())
    hours, before = _hours_of(asked), _before(asked)
    earlier = {
        name: func.coalesce(before.c[name], 0.0)
        + func.coalesce(
            func.sum(hours.c[name]).over(
                partition_by=hours.c.target_id, order_by=hours.c.at, rows=(None, -1)
            ),
            0.0,
        )
        for name in ("good", "bad")
    }
    added_up = (
        select(
            literal(tenant_id, Uuid),
            hours.c.target_id,
            hours.c.at,
            hours.c.good,
            hours.c.bad,
            earlier["good"],
            earlier["bad"],
        )
        .join(asked, asked.c.target_id == hours.c.target_id)
        .outerjoin(before, literal(value=True))
    )
    columns = ("good_seconds", "bad_seconds", "good_before", "bad_before")
    statement = postgresql.insert(_HOURS).from_select(
        ["tenant_id", "target_id", "at", *columns], added_up, include_defaults=False
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "target_id", "at"],
            set_={name: statement.excluded[name] for name in columns},
        )
    )


def _hours_of(asked: FromClause) -> Subquery:
    """Add up the observations of each hour from the moments asked on."""
    hour = func.date_trunc("hour", _OBSERVATIONS.c.at, "UTC")
    return (
        select(
            _OBSERVATIONS.c.target_id,
            hour.label("at"),
            func.sum(counted(SlaObservation.good_seconds)).label("good"),
            func.sum(counted(SlaObservation.bad_seconds)).label("bad"),
        )
        .join(
            asked,
            (asked.c.target_id == _OBSERVATIONS.c.target_id)
            & (_OBSERVATIONS.c.at >= asked.c.since),
        )
        .group_by(_OBSERVATIONS.c.target_id, hour)
        .subquery("hours")
    )


def _before(asked: FromClause) -> FromClause:
    """Select what lies before the first of these hours: the hour before them, and all before it."""
    return (
        select(
            (_HOURS.c.good_before + _HOURS.c.good_seconds).label("good"),
            (_HOURS.c.bad_before + _HOURS.c.bad_seconds).label("bad"),
        )
        .where(_HOURS.c.target_id == asked.c.target_id, _HOURS.c.at < asked.c.since)
        .order_by(_HOURS.c.at.desc())
        .limit(1)
        .lateral("before")
    )
