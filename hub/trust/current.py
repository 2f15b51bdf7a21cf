"""Keeps the score of a tenant current: words change, and the sums follow in the same transaction.

One row a tenant, `trust_states`, is locked first, so writers of one tenant take turns and the sums
never miss one another. What a change costs depends on what is known about its subjects and on how
many distinct problems there are, not on how many hosts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, DateTime, Integer, Text, Uuid, delete, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from hub.fleet.array_rows import array_rows
from hub.severity import Severity
from hub.trust.models import TrustComponent, TrustProblem, TrustSource, TrustState, TrustWord
from hub.trust.queries import costly_problems, oldest_subjects, weights_in_force
from hub.trust.score import (
    MAX_CONTRIBUTORS,
    Arithmetic,
    Contributor,
    arithmetic,
    contributor_of,
    inputs_hash,
)
from hub.trust.words import Identity, Tally, Word, digest_sum

_STATES = TrustState.__table__  # type: ignore[attr-defined]
_WORDS = TrustWord.__table__  # type: ignore[attr-defined]
_PROBLEMS = TrustProblem.__table__  # type: ignore[attr-defined]
_SOURCES = TrustSource.__table__  # type: ignore[attr-defined]
_WORD_TYPES: dict[str, TypeEngine[Any]] = {
    "source": Text(),
    "subject": Text(),
    "key": Text(),
    "component": Text(),
    "title": Text(),
    "severity": Text(),
    "observed_at": DateTime(timezone=True),
    "since": DateTime(timezone=True),
    "is_resolved": Boolean(),
}
_COUNTS = (
    *("low", "medium", "high", "critical"),
    *("lone_low", "lone_medium", "lone_high", "lone_critical", "lone_resolved"),
)

type Subject = tuple[str, str]  # source, subject


async def lock_state(session: AsyncSession, *, tenant_id: UUID) -> bytes:
    """Take the tenant's turn until the transaction ends; return the digest of its words."""
    statement = postgresql.insert(_STATES).values(
        tenant_id=tenant_id,
        component_scores={},
        contributors=[],
        costs=[],
        weights_version=1,
        words_digest=bytes(32),
        inputs_hash="",
    )
    locked = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["tenant_id"], set_={"tenant_id": statement.excluded.tenant_id}
        ).returning(_STATES.c.words_digest)
    )
    assert locked is not None  # noqa: S101 - the statement inserts or updates
    return bytes(locked)


async def words_about(
    session: AsyncSession, *, subjects: Collection[Subject]
) -> dict[Subject, dict[Identity, Word]]:
    """Return all words that sources said about these subjects."""
    asked = array_rows("asked", {"source": Text(), "subject": Text()}, sorted(subjects))
    columns = [_WORDS.c[name] for name in _WORD_TYPES]
    rows = await session.execute(
        select(*columns).join(
            asked, (_WORDS.c.source == asked.c.source) & (_WORDS.c.subject == asked.c.subject)
        )
    )
    found: dict[Subject, dict[Identity, Word]] = defaultdict(dict)
    for row in rows.mappings():
        word = Word(**row)
        found[word.source, word.subject][word.identity] = word
    return found


async def replace_words(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    before: Mapping[Subject, Mapping[Identity, Word]],
    after: Mapping[Subject, Mapping[Identity, Word]],
    digest: bytes,
    at: datetime,
    is_collected: bool = False,
) -> bytes:
    """Store all words of these subjects as they are now, and what follows; return the new digest.

    `digest` is what `lock_state` returned: the caller holds the tenant's turn.
    """
    old = {word for words in before.values() for word in words.values()}
    new = {word for words in after.values() for word in words.values()}
    added, removed = new - old, old - new
    if added or removed:
        await _store_words(session, tenant_id=tenant_id, words=added)
        await _delete_words(session, {w.identity for w in removed} - {w.identity for w in added})
        await _add_up(
            session, tenant_id=tenant_id, before=before, after=after, is_collected=is_collected
        )
        digest = digest_sum(digest, added, removed)
    await refresh_state(session, tenant_id=tenant_id, digest=digest, at=at)
    return digest


async def refresh_state(
    session: AsyncSession, *, tenant_id: UUID, digest: bytes, at: datetime
) -> None:
    """Compute the score from the sums and store it. The caller holds the tenant's turn."""
    version, weights = await weights_in_force(session)
    raws, costs = await costly_problems(session)
    sums = arithmetic(raws, costs, weights=weights)
    costly = await _contributors(session, sums)
    await session.execute(
        update(_STATES)
        .where(_STATES.c.tenant_id == tenant_id)
        .values(
            computed_at=at,
            score_total=sums.total,
            component_scores=stored_components(sums.components, weights),
            contributors=[stored_contributor(one) for one in costly[:MAX_CONTRIBUTORS]],
            costs=[stored_cost(one) for one in costly],
            weights_version=version,
            words_digest=digest,
            inputs_hash=inputs_hash(digest, weights=weights),
        )
    )


def stored_components(
    scores: Mapping[TrustComponent, float | None], weights: Mapping[TrustComponent, float]
) -> dict[str, dict[str, float | None]]:
    """Return the components as states and snapshots keep them."""
    return {name.value: {"score": scores[name], "weight": weights[name]} for name in TrustComponent}


def stored_contributor(one: Contributor) -> dict[str, object]:
    """Return a contributor as states and snapshots keep it."""
    return {**asdict(one), "subjects": list(one.subjects), "since": one.since.isoformat()}


def stored_cost(one: Contributor) -> dict[str, object]:
    """Return the little of a contributor that explains a change between two snapshots."""
    return {
        "component": one.component.value,
        "source": one.source,
        "key": one.key,
        "title": one.title,
        "since": one.since.isoformat(),
        "points": one.points,
        "cost": one.cost,
        "cost_of_source": one.cost_of_source,
    }


async def _contributors(session: AsyncSession, sums: Arithmetic) -> list[Contributor]:
    oldest = await oldest_subjects(session, [cost.problem for cost, _ in sums.points])
    return [
        contributor_of(cost, points, sums.raws, oldest[cost.problem])
        for cost, points in sums.points
        if cost.problem in oldest
    ]


async def _store_words(session: AsyncSession, *, tenant_id: UUID, words: Iterable[Word]) -> None:
    rows = sorted(tuple(getattr(word, name) for name in _WORD_TYPES) for word in words)
    told = array_rows("told", _WORD_TYPES, rows)
    statement = postgresql.insert(_WORDS).from_select(
        ["tenant_id", *_WORD_TYPES],
        select(literal(tenant_id, Uuid), *told.c),
        include_defaults=False,
    )
    changing = [name for name in _WORD_TYPES if name not in {"source", "subject", "key"}]
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "source", "subject", "key"],
            set_={name: statement.excluded[name] for name in changing},
        )
    )


async def _delete_words(session: AsyncSession, identities: Collection[Identity]) -> None:
    if not identities:
        return
    names = ("source", "subject", "key")
    gone = array_rows("gone", dict.fromkeys(names, Text()), sorted(identities))
    await session.execute(
        delete(_WORDS).where(*(_WORDS.c[name] == gone.c[name] for name in names)),
        execution_options={"synchronize_session": False},
    )


async def _add_up(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    before: Mapping[Subject, Mapping[Identity, Word]],
    after: Mapping[Subject, Mapping[Identity, Word]],
    is_collected: bool,
) -> None:
    """Add the difference of the subjects' tallies to the sums of problems and sources."""
    difference = Tally()
    for subjects, times in ((after, 1), (before, -1)):
        for words in subjects.values():
            difference.add_words(words.values(), times=times)
    titles = {
        (word.component, word.source, word.key): word.title
        for words in after.values()
        for word in words.values()
    }
    await _add_to_problems(session, tenant_id, _problem_rows(difference, titles))
    source_rows = [
        (
            *(source[0].value, source[1], difference.looked_at[source], difference.words[source]),
            is_collected,
        )
        for source in sorted({*difference.looked_at, *difference.words})
    ]
    await _add_to_sources(session, tenant_id, source_rows)


def _problem_rows(difference: Tally, titles: Mapping[Any, str]) -> list[tuple[Any, ...]]:
    counts: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    for (problem, severity), count in difference.affected.items():
        counts[problem][severity.value] += count
    for (problem, severity), count in difference.lone.items():
        name = "resolved" if severity is Severity.INFO else severity.value
        counts[problem][f"lone_{name}"] += count
    return [
        (problem[0].value, problem[1], problem[2], titles.get(problem, ""), *changes.values())
        for problem, changes in sorted(counts.items(), key=lambda item: item[0])
        if any(changes.values())
    ]


async def _add_to_problems(
    session: AsyncSession, tenant_id: UUID, rows: Sequence[tuple[Any, ...]]
) -> None:
    if not rows:
        return
    types: dict[str, TypeEngine[Any]] = {
        **dict.fromkeys(("component", "source", "key", "title"), Text()),
        **dict.fromkeys(_COUNTS, Integer()),
    }
    told = array_rows("told", types, rows)
    statement = postgresql.insert(_PROBLEMS).from_select(
        ["tenant_id", *types],
        select(literal(tenant_id, Uuid), *told.c),
        include_defaults=False,
    )
    new = statement.excluded
    title = func.coalesce(func.nullif(new.title, ""), _PROBLEMS.c.title)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "component", "source", "key"],
            set_={"title": title, **{name: _PROBLEMS.c[name] + new[name] for name in _COUNTS}},
        )
    )


async def _add_to_sources(
    session: AsyncSession, tenant_id: UUID, rows: Sequence[tuple[Any, ...]]
) -> None:
    changed = [row for row in rows if row[2] or row[3]]
    if not changed:
        return
    types: dict[str, TypeEngine[Any]] = {
        **dict.fromkeys(("component", "source"), Text()),
        **dict.fromkeys(("looked_at", "words"), Integer()),
        "is_collected": Boolean(),
    }
    told = array_rows("told", types, changed)
    statement = postgresql.insert(_SOURCES).from_select(
        ["tenant_id", *types],
        select(literal(tenant_id, Uuid), *told.c),
        include_defaults=False,
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "component", "source"],
            set_={
                "looked_at": _SOURCES.c.looked_at + statement.excluded.looked_at,
                "words": _SOURCES.c.words + statement.excluded.words,
                "is_collected": _SOURCES.c.is_collected & statement.excluded.is_collected,
            },
        )
    )
