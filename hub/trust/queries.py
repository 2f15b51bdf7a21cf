"""What the score is computed from, and kept with. Each function is one SQL statement."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    Subquery,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.severity import Severity
from hub.trust.models import (
    TrustComponent,
    TrustProblem,
    TrustSignal,
    TrustSnapshot,
    TrustSource,
    TrustWeights,
    TrustWord,
)
from hub.trust.score import (
    COMPONENT_WEIGHTS,
    MAX_COSTS,
    MAX_SUBJECTS,
    SEVERITY_WEIGHTS,
    WINDOW,
    Cost,
    Word,
)
from hub.trust.words import ProblemKey, SourceKey

_BAD_SEVERITIES = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class SnapshotKey:
    """When a snapshot was taken, and of what."""

    computed_at: datetime
    inputs_hash: str


async def words_at(
    session: AsyncSession, *, at: datetime, clocks_ahead: timedelta = timedelta()
) -> list[Word]:
    """Return the newest word about each (source, subject, key) in the 30 days before a moment.

    A word's `since` looks further back, over all the bad words with no good one between. Words of
    clocks that are ahead of the hub's are of the future; `clocks_ahead` takes them as known.
    """
    until = at + clocks_ahead
    began = _with_beginnings(until)
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
            is_resolved=row.resolved_at is not None and row.resolved_at <= until,
        )
        for row in rows
    ]


def _with_beginnings(until: datetime) -> Subquery:
    """Select what was said until then, each with the first bad word after the last good one."""
    identity = (col(TrustSignal.source), col(TrustSignal.subject), col(TrustSignal.key))
    observed_at = col(TrustSignal.observed_at)
    was_good = (col(TrustSignal.severity) == Severity.INFO) | (
        col(TrustSignal.resolved_at) <= until
    )
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
        .where(observed_at <= until)
        .subquery("known")
    )
    last_good_at = known.c.last_good_at
    in_run = last_good_at.is_(None) | (known.c.observed_at > last_good_at)
    return select(
        *known.c,
        func.min(known.c.observed_at)
        .filter(in_run)
        .over(partition_by=[known.c.source, known.c.subject, known.c.key])
        .label("began_at"),
    ).subquery("began")


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
