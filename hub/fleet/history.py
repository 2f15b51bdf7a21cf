"""Summaries of the metric history. Each function is one SQL statement.

Ranges that begin more than two days ago are answered from the hourly roll-ups, in whole hours, and
from the samples since the last hour that was added up; shorter ones from the samples alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Interval,
    Select,
    Subquery,
    Table,
    case,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from hub.clock import hour_of, utc_now
from hub.fleet.metric_models import MetricHour, MetricRollUp
from hub.fleet.models import MetricSample
from hub.fleet.rollups import FIGURES, HOUR

SAMPLES_FOR = timedelta(days=2)
MAX_POINTS = 300
_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 360))
_DAY = timedelta(days=1)

_HOURS: Table = MetricHour.__table__  # type: ignore[attr-defined]
_ROLLED: Table = MetricRollUp.__table__  # type: ignore[attr-defined]
_SAMPLES: Table = MetricSample.__table__  # type: ignore[attr-defined]
_INSTANT = DateTime(timezone=True)
_EPOCH = literal(datetime(2000, 1, 1, tzinfo=UTC), _INSTANT)


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


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """How an agent's figures moved from a moment on, for one step of a series."""

    at: datetime
    sample_count: int
    figures: Mapping[str, Range]


_SUMMARISED = ("cpu_percent", "memory_percent", "disk_percent")


async def metric_summaries(
    session: AsyncSession, keys: Collection[AgentSince]
) -> dict[AgentSince, MetricSummary]:
    """Return lowest, mean and highest figures of agents; one without samples is absent."""
    since = min(key.since for key in keys)
    pieces = _pieces([key.agent_id for key in keys], since, None, _SUMMARISED)
    rows = await session.execute(
        select(pieces.c.agent_id, *_together(pieces, _SUMMARISED)).group_by(pieces.c.agent_id)
    )
    return {
        AgentSince(agent_id, since): MetricSummary(count, *_ranges(figures))
        for agent_id, count, *figures in rows
    }


async def metric_series(
    session: AsyncSession, *, agent_id: UUID, since: datetime, until: datetime
) -> list[MetricPoint]:
    """Return how each figure of an agent moved, oldest first, in at most 300 even steps or so.

    A step without samples is absent: nothing is known of it, which is not the same as zero.
    """
    pieces = _pieces([agent_id], since, until, FIGURES)
    step = literal(step_of(since, until), Interval)
    at = func.date_bin(step, pieces.c.at, _EPOCH)
    rows = await session.execute(select(at, *_together(pieces, FIGURES)).group_by(at).order_by(at))
    return [
        MetricPoint(moment, count, dict(zip(FIGURES, _ranges(figures), strict=True)))
        for moment, count, *figures in rows
    ]


def step_of(since: datetime, until: datetime) -> timedelta:
    """Return the step of a series: the shortest that makes no more points than one can see."""
    shortest = (until - since) / MAX_POINTS
    if is_rolled_up(since):
        shortest = max(shortest, HOUR)
    return next((step for step in _STEPS if step >= shortest), _DAY)


def is_rolled_up(since: datetime) -> bool:
    """Tell whether a range that begins here is answered from the roll-ups."""
    return since < utc_now() - SAMPLES_FOR


def _pieces(
    agents: Collection[UUID],
    since: datetime,
    until: datetime | None,
    figures: Collection[str],
) -> Subquery:
    """Return what there is of a range: hours that are added up, and samples, in one form."""
    if not is_rolled_up(since):
        samples = _samples(agents, literal(since, _INSTANT), until, figures)
        return samples.subquery("pieces")
    first = literal(hour_of(since), _INSTANT)
    rolled = select(_ROLLED.c.rolled_until).scalar_subquery()
    newest = func.greatest(first, func.coalesce(rolled, first))
    hours = select(
        _HOURS.c.agent_id,
        _HOURS.c.at,
        _HOURS.c.sample_count,
        *(
            _HOURS.c[f"{figure}_{word}"]
            for figure in figures
            for word in ("low", "mean", "high", "count")
        ),
    ).where(_HOURS.c.agent_id.in_(agents), _HOURS.c.at >= first, _HOURS.c.at < newest)
    if until is not None:
        hours = hours.where(_HOURS.c.at < until)
    return union_all(hours, _samples(agents, newest, until, figures)).subquery("pieces")


def _samples(
    agents: Collection[UUID],
    since: ColumnElement[Any],
    until: datetime | None,
    figures: Collection[str],
) -> Select[Any]:
    """Return samples in the form of hours that have one sample each."""
    columns: list[ColumnElement[Any]] = []
    for figure in figures:
        value = _SAMPLES.c[figure]
        named = [value.label(f"{figure}_{word}") for word in ("low", "mean", "high")]
        known = case((value.is_not(None), 1), else_=0).label(f"{figure}_count")
        columns += [*named, known]
    samples = select(
        _SAMPLES.c.agent_id, _SAMPLES.c.at, literal(1).label("sample_count"), *columns
    ).where(_SAMPLES.c.agent_id.in_(agents), _SAMPLES.c.at >= since)
    return samples if until is None else samples.where(_SAMPLES.c.at < until)


def _together(pieces: Subquery, figures: Collection[str]) -> list[ColumnElement[Any]]:
    """Return how many samples, and of each figure its lowest, its mean and its highest value."""
    columns: list[ColumnElement[Any]] = [func.sum(pieces.c.sample_count)]
    for figure in figures:
        count = pieces.c[f"{figure}_count"]
        columns += [
            func.min(pieces.c[f"{figure}_low"]),
            func.sum(pieces.c[f"{figure}_mean"] * count) / func.nullif(func.sum(count), 0),
            func.max(pieces.c[f"{figure}_high"]),
        ]
    return columns


def _ranges(values: list[float | None]) -> list[Range]:
    """Return one range a figure from its three columns."""
    return [Range(*values[place : place + 3]) for place in range(0, len(values), 3)]
