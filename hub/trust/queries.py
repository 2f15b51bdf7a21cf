"""Reads of the Trust Score. Each function is one SQL statement."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    Interval,
    Select,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.prepared import PreparedRead
from hub.severity import Severity
from hub.trust.models import (
    TrustComponent,
    TrustProblem,
    TrustSignal,
    TrustSnapshot,
    TrustSource,
    TrustState,
    TrustWeights,
    TrustWord,
)
from hub.trust.score import (
    COMPONENT_WEIGHTS,
    MAX_COSTS,
    MAX_SUBJECTS,
    SEVERITY_WEIGHTS,
    WINDOW,
    Contributor,
    Cost,
    Word,
)
from hub.trust.words import ProblemKey, SourceKey

_BAD_SEVERITIES = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
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
MAX_CHANGES = 8
_NOTICED_POINTS = 0.05  # what shows once rounded to a decimal
_INSTANT = DateTime(timezone=True)


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
    delta_day: float | None
    delta_week: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A problem that costs more or fewer points of the total than a week ago."""

    component: TrustComponent
    source: str
    key: str
    title: str
    since: datetime | None  # None when it is gone
    points: float  # below 0 when it lowers the score


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


async def words_at(session: AsyncSession, *, at: datetime) -> list[Word]:
    """Return the newest word about each (source, subject, key) in the 30 days before a moment.

    A word's `since` looks further back, over all the bad words with no good one between.
    """
    identity = (col(TrustSignal.source), col(TrustSignal.subject), col(TrustSignal.key))
    observed_at = col(TrustSignal.observed_at)
    was_good = (col(TrustSignal.severity) == Severity.INFO) | (col(TrustSignal.resolved_at) <= at)
    known = (
        select(
            col(TrustSignal.component),
            *identity,
            col(TrustSignal.title),
            col(TrustSignal.severity),
            observed_at,
            col(TrustSignal.resolved_at),
            func.max(observed_at)
            .filter(was_good)
            .over(partition_by=identity)
            .label("last_good_at"),
        )
        .where(observed_at <= at)
        .subquery("known")
    )
    last_good_at = known.c.last_good_at
    in_run = last_good_at.is_(None) | (known.c.observed_at > last_good_at)
    began = (
        select(
            *known.c,
            func.min(known.c.observed_at)
            .filter(in_run)
            .over(partition_by=[known.c.source, known.c.subject, known.c.key])
            .label("began_at"),
        )
    ).subquery("began")
    newest = (began.c.source, began.c.subject, began.c.key)
    statement = (
        select(began)
        .ext(distinct_on(*newest))
        .where(began.c.observed_at > at - WINDOW)
        .order_by(*newest, began.c.observed_at.desc())
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
            since=row.began_at or row.observed_at,
            is_resolved=row.resolved_at is not None and row.resolved_at <= at,
        )
        for row in rows
    ]


async def costly_problems(session: AsyncSession) -> tuple[dict[SourceKey, float], list[Cost]]:
    """Return what each source costs in all, and its costliest problems, from the kept sums."""
    rows = await session.execute(_COSTLY)
    raws: dict[SourceKey, float] = {}
    costs = []
    for row in rows:
        raws[row.component, row.source] = row.raw or 0.0
        if row.key is not None:
            counts = {severity: getattr(row, severity.value) for severity in _BAD_SEVERITIES}
            costs.append(
                Cost(
                    component=row.component,
                    source=row.source,
                    key=row.key,
                    title=row.title,
                    severity=max((one for one in counts if counts[one]), key=lambda one: one.rank),
                    affected=sum(counts.values()),
                    cost=row.cost,
                )
            )
    return raws, costs


async def oldest_subjects(
    session: AsyncSession, problems: Sequence[ProblemKey]
) -> dict[ProblemKey, list[tuple[datetime, str]]]:
    """Return the few subjects that have each of these problems longest, and since when."""
    names = ("component", "source", "key")
    asked = array_rows(
        "asked",
        dict.fromkeys(names, Text()),
        [(problem[0].value, *problem[1:]) for problem in problems],
    )
    oldest = (
        select(col(TrustWord.since), col(TrustWord.subject))
        .where(
            *(getattr(TrustWord, name) == asked.c[name] for name in names),
            # As the partial index says it, so that the planner knows it.
            text("severity <> 'info' AND NOT is_resolved"),
        )
        .order_by(col(TrustWord.since), col(TrustWord.subject))
        .limit(MAX_SUBJECTS)
        .lateral("oldest")
    )
    rows = await session.execute(
        select(asked.c.component, asked.c.source, asked.c.key, oldest.c.since, oldest.c.subject)
        .join(oldest, literal(value=True))
        .order_by(oldest.c.since, oldest.c.subject)
    )
    found: dict[ProblemKey, list[tuple[datetime, str]]] = defaultdict(list)
    for component, source, key, since, subject in rows:
        found[TrustComponent(component), source, key].append((since, subject))
    return found


def _costly() -> Select[Any]:
    """Select each source with its sum of costs and its costliest problems; see `problem_cost`."""
    problem, source = TrustProblem, TrustSource
    cost: ColumnElement[float] = literal(0.0)
    counted = 0.0
    for index, severity in enumerate(_BAD_SEVERITIES):
        reaching = _BAD_SEVERITIES[index:]
        reached = sum((getattr(problem, one.value) for one in reaching), literal(0))
        lone = sum((getattr(problem, f"lone_{one.value}") for one in reaching), literal(0))
        tellable = col(source.looked_at) + col(problem.lone_resolved) + lone
        step = SEVERITY_WEIGHTS[severity] - counted
        share = cast(reached, Float) / func.nullif(tellable, 0)
        cost = cost + step * func.coalesce(share, 0.0)
        counted = SEVERITY_WEIGHTS[severity]
    same = (
        (col(problem.tenant_id) == col(source.tenant_id))
        & (col(problem.component) == col(source.component))
        & (col(problem.source) == col(source.source))
    )
    counts = [col(getattr(problem, severity.value)) for severity in _BAD_SEVERITIES]
    costed = (
        select(
            col(source.component),
            col(source.source),
            col(problem.key),
            col(problem.title),
            *counts,
            cost.label("cost"),
        )
        .outerjoin(problem, same & (sum(counts, literal(0)) > 0))
        .where(col(source.words) > 0)
        # OFFSET 0: a cost is computed once, and not again for each of its uses.
        .offset(literal_column("0"))
        .subquery("costed")
    )
    by_source = [costed.c.component, costed.c.source]
    ranked = select(
        *costed.c,
        func.sum(costed.c.cost).over(partition_by=by_source).label("raw"),
        func.row_number()
        .over(partition_by=by_source, order_by=[costed.c.cost.desc(), costed.c.key])
        .label("place"),
    ).subquery("ranked")
    return select(ranked).where(ranked.c.place <= MAX_COSTS)


_COSTLY = _costly()


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
        changes=_changes(week["costs"], newest["costs"]) if "week" in rows else (),
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


def _changes(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[Change]:
    """Return the problems whose points changed noticeably, the largest changes first."""

    def by_problem(costs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], Mapping[str, Any]]:
        return {(one["component"], one["source"], one["key"]): one for one in costs}

    old, new = by_problem(before), by_problem(after)
    nothing: Mapping[str, Any] = {"points": 0.0}
    changes = [
        Change(
            component=TrustComponent(problem[0]),
            source=problem[1],
            key=problem[2],
            title=(new.get(problem) or old[problem])["title"],
            since=datetime.fromisoformat(new[problem]["since"]) if problem in new else None,
            points=old.get(problem, nothing)["points"] - new.get(problem, nothing)["points"],
        )
        for problem in {*old, *new}
    ]
    noticed = [change for change in changes if abs(change.points) >= _NOTICED_POINTS]
    noticed.sort(key=lambda one: (-abs(one.points), one.component, one.source, one.key))
    return noticed[:MAX_CHANGES]


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
