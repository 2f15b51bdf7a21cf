"""Reads of the Trust Score. Each function is one SQL statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, literal, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.severity import Severity
from hub.trust.models import TrustComponent, TrustSignal, TrustSnapshot, TrustWeights
from hub.trust.score import COMPONENT_WEIGHTS, WINDOW, Contributor, Word

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_NO_SNAPSHOT: Mapping[str, Any] = {
    "computed_at": None,
    "score_total": None,
    "component_scores": {
        name.value: {"score": None, "weight": float(weight)}
        for name, weight in COMPONENT_WEIGHTS.items()
    },
    "contributors": (),
}


@dataclass(frozen=True, slots=True)
class SnapshotKey:
    """When a snapshot was taken, and of what."""

    computed_at: datetime
    inputs_hash: str


@dataclass(frozen=True, slots=True)
class ComponentScore:
    """One of the eight parts; the score is None while nothing is known."""

    component: TrustComponent
    weight: float
    score: float | None
    delta_week: float | None


@dataclass(frozen=True, slots=True)
class TrustScore:
    """The newest score, beside those of a day and a week ago.

    Before the first snapshot `computed_at` and every score are None.
    """

    computed_at: datetime | None
    total: float | None
    delta_day: float | None
    delta_week: float | None
    components: Sequence[ComponentScore]
    contributors: Sequence[Contributor]


async def words_at(session: AsyncSession, *, at: datetime) -> list[Word]:
    """Return the newest word about each (source, subject, key) in the 30 days before a moment."""
    identity = (col(TrustSignal.source), col(TrustSignal.subject), col(TrustSignal.key))
    statement = (
        select(
            col(TrustSignal.component),
            *identity,
            col(TrustSignal.title),
            col(TrustSignal.severity),
            col(TrustSignal.observed_at),
            col(TrustSignal.resolved_at),
        )
        .ext(distinct_on(*identity))
        .where(col(TrustSignal.observed_at) > at - WINDOW, col(TrustSignal.observed_at) <= at)
        .order_by(*identity, col(TrustSignal.observed_at).desc())
    )
    rows = (await session.execute(statement)).all()
    return [
        Word(
            component=row.component,
            source=row.source,
            subject=row.subject,
            key=row.key,
            title=row.title,
            severity=row.severity,
            observed_at=row.observed_at,
            is_resolved=row.resolved_at is not None and row.resolved_at <= at,
        )
        for row in rows
    ]


async def weights_in_force(session: AsyncSession) -> tuple[int, dict[TrustComponent, float]]:
    """Return the version and weights of the components; version 1 is the house's own."""
    statement = (
        select(col(TrustWeights.version), col(TrustWeights.weights))
        .order_by(col(TrustWeights.version).desc())
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return 1, dict(COMPONENT_WEIGHTS)
    return row.version, {name: float(row.weights[name.value]) for name in TrustComponent}


async def last_snapshot_key(session: AsyncSession, *, at: datetime) -> SnapshotKey | None:
    """Return when the last snapshot before a moment was taken, and of what inputs."""
    statement = (
        select(col(TrustSnapshot.computed_at), col(TrustSnapshot.inputs_hash))
        .where(col(TrustSnapshot.computed_at) <= at)
        .order_by(col(TrustSnapshot.computed_at).desc())
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    return SnapshotKey(row.computed_at, row.inputs_hash) if row else None


def _snapshots_for_deltas(now: datetime) -> Select[Any]:
    """Select up to three rows, `age` now, day and week: the last snapshot up to each moment."""
    moments = {"now": now, "day": now - _DAY, "week": now - _WEEK}
    newest = [
        select(
            select(
                literal(age).label("age"),
                col(TrustSnapshot.computed_at),
                col(TrustSnapshot.score_total),
                col(TrustSnapshot.component_scores),
                col(TrustSnapshot.contributors),
            )
            .where(col(TrustSnapshot.computed_at) <= moment)
            .order_by(col(TrustSnapshot.computed_at).desc())
            .limit(1)
            .subquery(f"snapshot_{age}")
        )
        for age, moment in moments.items()
    ]
    return select(union_all(*newest).subquery("snapshots"))


async def trust_score(session: AsyncSession, *, now: datetime) -> TrustScore:
    """Return the newest score with its changes since yesterday and 7 days ago."""
    rows = (await session.execute(_snapshots_for_deltas(now))).mappings().all()
    by_age = {row["age"]: row for row in rows}
    newest, day, week = (by_age.get(age, _NO_SNAPSHOT) for age in ("now", "day", "week"))
    return TrustScore(
        computed_at=newest["computed_at"],
        total=newest["score_total"],
        delta_day=delta(newest["score_total"], day["score_total"]),
        delta_week=delta(newest["score_total"], week["score_total"]),
        components=[
            _component_score(name, newest["component_scores"], week["component_scores"])
            for name in TrustComponent
        ],
        contributors=[_contributor(stored) for stored in newest["contributors"]],
    )


def delta(current: float | None, before: float | None) -> float | None:
    """Return by how much it changed; None when one of the two is unknown."""
    return None if current is None or before is None else current - before


def _component_score(
    name: TrustComponent,
    current: Mapping[str, Mapping[str, float | None]],
    week_ago: Mapping[str, Mapping[str, float | None]],
) -> ComponentScore:
    score = current[name.value]["score"]
    return ComponentScore(
        component=name,
        weight=current[name.value]["weight"] or 0.0,
        score=score,
        delta_week=delta(score, week_ago[name.value]["score"]),
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
