"""Reads of service levels. Each function is one SQL statement."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Float,
    FromClause,
    Select,
    Subquery,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import NotFound
from hub.fleet.models import Agent
from hub.prepared import PreparedRead
from hub.sla.budget import BURN_PERIODS, Budget, Seconds, SlaState, budget_of
from hub.sla.models import SlaHour, SlaIndicator, SlaMaintenance, SlaObservation, SlaTarget
from hub.sla.periods import joined, time_within
from hub.sla.rollups import counted

_WORST_FIRST = (SlaState.BREACHED, SlaState.AT_RISK, SlaState.UNKNOWN, SlaState.MET)
_INSTANT = DateTime(timezone=True)
_WINDOW, _NOW = "window", "now"
# Hours that were added up before there was a grid leave this much of nothing, and less.
_NOTHING_SECONDS = 1e-9
_SHOWN = (
    *("id", "name", "description", "indicator", "agent_name"),
    *("objective", "window_days", "is_calendar_month"),
)
_TARGET_COLUMNS = (
    *("id", "name", "description", "indicator", "objective", "window_days"),
    *("is_calendar_month", "minimum_data", "created_at"),
)


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
    is_calendar_month: bool
    window: timedelta
    budget: Budget


@dataclass(frozen=True, slots=True)
class SlaDay:
    """How one day (UTC) of a target went."""

    day: datetime
    good_seconds: float
    bad_seconds: float


async def sla_standings(session: AsyncSession, *, now: datetime) -> list[SlaStanding]:
    """Return every target with where it stands, those in trouble first, then by name."""
    by_target: dict[UUID, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in await _SUMS.rows(session, now=now):
        fields = dict(zip(_COLUMNS, row, strict=True))
        by_target[fields["id"]][fields["moment"]] = fields
    standings: Sequence[SlaStanding] = [_standing(sums, now) for sums in by_target.values()]
    return sorted(
        standings, key=lambda one: (_WORST_FIRST.index(one.budget.state), one.name.casefold())
    )


async def target_id_of(session: AsyncSession, name_or_id: str) -> UUID:
    """Return the target's id; raise NotFound when this tenant has none of that name or id."""
    try:
        is_it = col(SlaTarget.id) == UUID(name_or_id)
    except ValueError:
        is_it = col(SlaTarget.name) == name_or_id
    found = await session.scalar(select(col(SlaTarget.id)).where(is_it))
    if found is None:
        raise NotFound("`target` is no service-level target's name or id.", field="target")
    return found


async def sla_days(
    session: AsyncSession, *, target_id: UUID, since: datetime, until: datetime
) -> list[SlaDay]:
    """Return how a target's days went, oldest first; days without observations are absent."""
    day = func.date_trunc("day", col(SlaHour.at), "UTC")
    rows = await session.execute(
        select(day, func.sum(col(SlaHour.good_seconds)), func.sum(col(SlaHour.bad_seconds)))
        .where(
            col(SlaHour.target_id) == target_id, col(SlaHour.at) >= since, col(SlaHour.at) < until
        )
        .group_by(day)
        .order_by(day)
    )
    return [SlaDay(*row) for row in rows]


def _targets(now: Any) -> Any:
    """Select the targets with their windows, and what they are judged by."""
    target = SlaTarget
    zone = col(target.time_zone)
    month = func.date_trunc("month", now, zone)
    next_month = func.timezone(
        zone, func.timezone(zone, month) + literal_column("interval '1 month'")
    )
    by_month = col(target.is_calendar_month)
    days = func.make_interval(0, 0, 0, col(target.window_days))
    starts_at = case((by_month, month), else_=now - days)
    ends_at = case((by_month, next_month), else_=now)
    observed_since = (
        select(func.min(col(SlaObservation.at)))
        .where(
            col(SlaObservation.tenant_id) == col(target.tenant_id),
            col(SlaObservation.target_id) == col(target.id),
        )
        .scalar_subquery()
    )
    maintenance = (
        select(
            func.jsonb_agg(
                func.jsonb_build_array(
                    func.extract("epoch", col(SlaMaintenance.starts_at)),
                    func.extract("epoch", col(SlaMaintenance.ends_at)),
                )
            )
        )
        .where(
            or_(
                col(SlaMaintenance.target_id).is_(None),
                col(SlaMaintenance.target_id) == col(target.id),
            ),
            col(SlaMaintenance.ends_at) > starts_at,
            col(SlaMaintenance.starts_at) < ends_at,
        )
        .scalar_subquery()
    )
    return (
        select(
            *(col(getattr(target, name)) for name in _TARGET_COLUMNS),
            col(Agent.name).label("agent_name"),
            starts_at.label("starts_at"),
            ends_at.label("ends_at"),
            observed_since.label("observed_since"),
            maintenance.label("maintenance"),
        )
        .outerjoin(Agent, col(Agent.id) == col(target.agent_id))
        .subquery("targets")
    )


def _sums() -> Select[*tuple[Any, ...]]:
    """Select, for each target and moment, the good and bad seconds that lie before the moment.

    What lies before a moment is what lay before its hour, and of its hour the observations up to
    it. All observations lie before now.

    The share of the five minutes that a moment cuts stands apart (`good_cut`, `bad_cut`):
    everything else is on the grid, where sums and their differences are exact, however long the
    history is.
    """
    asked = _asked()
    at = asked.c.moment_at
    hour = (
        select(col(SlaHour.at), col(SlaHour.good_before), col(SlaHour.bad_before))
        .where(col(SlaHour.target_id) == asked.c.id, col(SlaHour.at) < at)
        .order_by(col(SlaHour.at).desc())
        .limit(1)
        .lateral("hour")
    )
    partly = _of_its_hour(asked, hour)
    return (
        select(
            *(column for column in asked.c if column.key != "moment_at"),
            (hour.c.good_before + func.coalesce(partly.c.good, 0.0)).label("good"),
            (hour.c.bad_before + func.coalesce(partly.c.bad, 0.0)).label("bad"),
            partly.c.good_cut,
            partly.c.bad_cut,
        )
        .select_from(asked)
        .outerjoin(hour, literal_column("true"))
        .outerjoin(partly, literal_column("true"))
    )


def _asked() -> Subquery:
    """Select the targets with the moments: their window's start, each recent period's, and now."""
    now = bindparam("now", type_=_INSTANT)
    targets = _targets(now)
    recent = (
        (name, now - literal_column(f"interval '{period.total_seconds():.0f} seconds'"))
        for name, period in BURN_PERIODS.items()
    )
    # Null stands for the start of the target's own window.
    moments = union_all(
        *(
            select(literal_column(f"'{name}'").label("moment"), cast(at, _INSTANT).label("at"))
            for name, at in ((_WINDOW, null()), (_NOW, now), *recent)
        )
    ).subquery("moments")
    # OFFSET 0 lets the moment be computed first: row-level security lets no index be searched by an
    # expression that might tell something about rows it hides, and date_trunc might.
    return (
        select(
            *targets.c,
            moments.c.moment,
            func.coalesce(moments.c.at, targets.c.starts_at).label("moment_at"),
        )
        .join(moments, literal_column("true"))
        .offset(literal_column("0"))
        .subquery("asked")
    )


def _of_its_hour(asked: Subquery, hour: FromClause) -> FromClause:
    """Add up the observations of the moment's hour: the whole ones, and the one it cuts."""
    at, seen_at = asked.c.moment_at, col(SlaObservation.at)
    before = func.least(1.0, cast(func.extract("epoch", at - seen_at), Float) / 300.0)
    share = case((asked.c.moment == literal_column(f"'{_NOW}'"), 1.0), else_=before)
    seconds = {
        "good": counted(SlaObservation.good_seconds),
        "bad": counted(SlaObservation.bad_seconds),
    }
    return (
        select(
            *(func.sum(one).filter(share >= 1).label(name) for name, one in seconds.items()),
            *(
                func.sum(one * share).filter(share < 1).label(f"{name}_cut")
                for name, one in seconds.items()
            ),
        )
        .where(
            col(SlaObservation.target_id) == asked.c.id,
            seen_at >= hour.c.at,
            seen_at < func.least(at, hour.c.at + literal_column("interval '1 hour'")),
        )
        .lateral("partly")
    )


_SUMS = PreparedRead(_sums())
_COLUMNS = (
    *_TARGET_COLUMNS,
    *("agent_name", "starts_at", "ends_at", "observed_since", "maintenance"),
    *("moment", "good", "bad", "good_cut", "bad_cut"),
)


def _standing(sums: Mapping[str, Mapping[str, Any]], now: datetime) -> SlaStanding:
    row, ends_at = sums[_NOW], sums[_NOW]["ends_at"]
    maintenance = joined(
        (datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC))
        for since, until in row["maintenance"] or ()
    )
    since = min(row["created_at"], row["observed_since"] or row["created_at"])
    known_since = max(row["starts_at"], min(since, now))
    return SlaStanding(
        **{name: row[name] for name in _SHOWN},
        window=ends_at - row["starts_at"],
        budget=budget_of(
            objective=row["objective"],
            window=ends_at - row["starts_at"],
            age=max(now - since, timedelta()),
            minimum_data=row["minimum_data"],
            seen=_between(sums[_WINDOW], row),
            recent={name: _between(sums[name], row) for name in BURN_PERIODS},
            excluded=time_within(maintenance, (known_since, now)),
            ahead=ends_at - now,
            excluded_ahead=time_within(maintenance, (now, ends_at)),
        ),
    )


def _between(start: Mapping[str, Any], end: Mapping[str, Any]) -> Seconds:
    """Return what lies between two moments; now, the end, cuts nothing."""
    good, bad = (
        (end[name] or 0.0) - (start[name] or 0.0) - (start[f"{name}_cut"] or 0.0)
        for name in ("good", "bad")
    )
    return Seconds(*(value if value > _NOTHING_SECONDS else 0.0 for value in (good, bad)))
