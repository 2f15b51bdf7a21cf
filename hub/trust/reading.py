"""The Trust Score as people read it: now, beside a day and a week ago, and over time.

Each function is one SQL statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    DateTime,
    Interval,
    Select,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.prepared import PreparedRead
from hub.severity import Severity
from hub.trust.changes import Change, changes_between
from hub.trust.models import TrustComponent, TrustSnapshot, TrustState
from hub.trust.score import COMPONENT_WEIGHTS, Contributor

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_NO_SNAPSHOT: Mapping[str, Any] = {
    "computed_at": None,
    "score_total": None,
    "component_scores": {
        name.value: {"score": None, "weight": float(weight)}
        for name, weight in COMPONENT_WEIGHTS.items()
    },
    "contributors": (),
    "costs": (),
    "weights_version": 1,
}
_INSTANT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class ComponentScore:
    """One of the eight parts; the score is None while nothing is known."""

    component: TrustComponent
    weight: float
    score: float | None
    delta_day: float | None
    delta_week: float | None


@dataclass(frozen=True, slots=True)
class TrustScore:
    """The newest score, beside those of a day and a week ago.

    Before the first signal `computed_at` and every score are None.
    """

    computed_at: datetime | None
    total: float | None
    delta_day: float | None
    delta_week: float | None
    coverage: float  # share of the weights that have data
    components: Sequence[ComponentScore]
    contributors: Sequence[Contributor]
    changes: Sequence[Change]  # in a week, the largest first
    weights_version: int


@dataclass(frozen=True, slots=True)
class PastScore:
    """The score as it was at the end of one day, or at one snapshot."""

    at: datetime
    total: float | None
    components: Mapping[TrustComponent, float | None]


def _newest_scores() -> Select[Any]:
    """Select up to four rows by `age`: the state, and the last snapshot up to three moments."""
    columns = ("computed_at", "score_total", "component_scores", "contributors", "costs")
    state = select(
        literal_column("'state'").label("age"),
        *(col(getattr(TrustState, name)) for name in columns),
        col(TrustState.weights_version),
    ).where(col(TrustState.computed_at) <= bindparam("now", type_=_INSTANT))
    snapshots = [
        select(
            select(
                literal_column(f"'{age}'").label("age"),
                *(col(getattr(TrustSnapshot, name)) for name in columns),
                col(TrustSnapshot.weights_version),
            )
            .where(col(TrustSnapshot.computed_at) <= bindparam(age, type_=_INSTANT))
            .order_by(col(TrustSnapshot.computed_at).desc())
            .limit(1)
            .subquery(f"snapshot_{age}")
        )
        for age in ("now", "day", "week")
    ]
    return select(union_all(state, *snapshots).subquery("scores"))


_NEWEST_SCORES = PreparedRead(_newest_scores())
_NEWEST_COLUMNS = (
    *("age", "computed_at", "score_total", "component_scores", "contributors", "costs"),
    "weights_version",
)


async def trust_score(session: AsyncSession, *, now: datetime) -> TrustScore:
    """Return the newest score with its changes since yesterday and 7 days ago."""
    found = await _NEWEST_SCORES.rows(session, now=now, day=now - _DAY, week=now - _WEEK)
    rows: dict[str, Mapping[str, Any]] = {
        row[0]: dict(zip(_NEWEST_COLUMNS, row, strict=True)) for row in found
    }
    newest = max(
        (rows[age] for age in ("state", "now") if age in rows),
        key=lambda row: row["computed_at"],
        default=_NO_SNAPSHOT,
    )
    day, week = (rows.get(age, _NO_SNAPSHOT) for age in ("day", "week"))
    return TrustScore(
        computed_at=newest["computed_at"],
        total=newest["score_total"],
        delta_day=delta(newest["score_total"], day["score_total"]),
        delta_week=delta(newest["score_total"], week["score_total"]),
        coverage=_coverage(newest["component_scores"]),
        components=[
            _component_score(name, *(one["component_scores"] for one in (newest, day, week)))
            for name in TrustComponent
        ],
        contributors=[_contributor(stored) for stored in newest["contributors"]],
        changes=changes_between(week, newest) if "week" in rows else (),
        weights_version=newest["weights_version"],
    )


async def trust_history(
    session: AsyncSession, *, since: datetime, until: datetime
) -> list[PastScore]:
    """Return the scores of a period, oldest first: the last one of each day (UTC) that has any."""
    series = func.generate_series(
        func.date_trunc("day", literal(since, _INSTANT), "UTC"),
        literal(until, _INSTANT),
        literal(_DAY, Interval()),
    )
    day = series.table_valued(column("starts_at", _INSTANT), name="day").render_derived()
    at = col(TrustSnapshot.computed_at)
    last = (
        select(at, col(TrustSnapshot.score_total), col(TrustSnapshot.component_scores))
        .where(
            at >= func.greatest(day.c.starts_at, since),
            at < day.c.starts_at + literal(_DAY, Interval()),
            at <= until,
        )
        .order_by(at.desc())
        .limit(1)
        .lateral("last")
    )
    statement = select(last).select_from(day.join(last, literal(value=True)))
    rows = await session.execute(statement.order_by(last.c.computed_at))
    return [
        PastScore(
            at=row.computed_at,
            total=row.score_total,
            components={name: row.component_scores[name.value]["score"] for name in TrustComponent},
        )
        for row in rows
    ]


def delta(current: float | None, before: float | None) -> float | None:
    """Return by how much it changed; None when one of the two is unknown."""
    return None if current is None or before is None else current - before


def _coverage(components: Mapping[str, Mapping[str, float | None]]) -> float:
    """Return the share of the weights that have data."""
    weights = {name: part["weight"] or 0.0 for name, part in components.items()}
    known = sum(weights[name] for name, part in components.items() if part["score"] is not None)
    return known / sum(weights.values()) if any(weights.values()) else 0.0


def _component_score(
    name: TrustComponent, *by_age: Mapping[str, Mapping[str, float | None]]
) -> ComponentScore:
    newest, day, week = (parts[name.value]["score"] for parts in by_age)
    return ComponentScore(
        component=name,
        weight=by_age[0][name.value]["weight"] or 0.0,
        score=newest,
        delta_day=delta(newest, day),
        delta_week=delta(newest, week),
    )


def _contributor(stored: Mapping[str, Any]) -> Contributor:
    return Contributor(
        component=TrustComponent(stored["component"]),
        source=stored["source"],
        key=stored["key"],
        title=stored["title"],
        severity=Severity(stored["severity"]),
        subjects=tuple(stored["subjects"]),
        affected=stored["affected"],
        since=datetime.fromisoformat(stored["since"]),
        points=stored["points"],
    )
