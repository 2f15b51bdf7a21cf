"""Writes of the Trust Score: signals come in, words are forgotten, snapshots are taken."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.severity import Severity
from hub.trust.current import (
    Subject,
    lock_state,
    refresh_state,
    replace_words,
    stored_components,
    stored_contributor,
    stored_cost,
    words_about,
)
from hub.trust.models import (
    TrustComponent,
    TrustSignal,
    TrustSnapshot,
    TrustState,
    TrustWord,
)
from hub.trust.queries import last_snapshot_key, weights_in_force, words_at
from hub.trust.score import WINDOW, score_of
from hub.trust.words import Identity, Word

SNAPSHOT_AT_LEAST_EVERY = timedelta(days=1)
_SIGNALS_A_BATCH = 5_000
_SIGNALS = TrustSignal.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a source saw: info speaks for the tenant, low and worse against it."""

    component: TrustComponent
    source: str
    subject: str
    key: str
    severity: Severity
    observed_at: datetime
    title: str = ""
    resolved_at: datetime | None = None

    def word(self) -> Word:
        """Return what the score makes of it while nothing newer is known."""
        return Word(
            component=self.component,
            source=self.source,
            subject=self.subject,
            key=self.key,
            title=self.title,
            severity=self.severity,
            observed_at=self.observed_at,
            since=self.observed_at,
            is_resolved=self.resolved_at is not None,
        )


async def record_signals(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    signals: Sequence[Signal],
    at: datetime | None = None,
    is_collected: bool = False,
) -> None:
    """Store signals and bring the score up to date.

    One that is known already is stored once, and may say that it is resolved. `is_collected` says
    that the hub itself is the source (`hub.trust.collect`).
    """
    for batch in batched(signals, _SIGNALS_A_BATCH):
        await _store_signals(session, tenant_id=tenant_id, signals=batch)
        digest = await lock_state(session, tenant_id=tenant_id)
        words = [signal.word() for signal in batch]
        before = await words_about(session, subjects={(w.source, w.subject) for w in words})
        await replace_words(
            session,
            tenant_id=tenant_id,
            before=before,
            after=_with(before, words),
            digest=digest,
            at=at or utc_now(),
            is_collected=is_collected,
        )


async def resolve_signals(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    source: str,
    key: str,
    subject: str | None = None,
    at: datetime,
) -> None:
    """Mark a problem as resolved, on one subject or wherever it was seen before that moment."""
    digest = await lock_state(session, tenant_id=tenant_id)
    statement = update(_SIGNALS).where(
        _SIGNALS.c.source == source,
        _SIGNALS.c.key == key,
        _SIGNALS.c.observed_at <= at,
        _SIGNALS.c.resolved_at.is_(None),
    )
    if subject is not None:
        statement = statement.where(_SIGNALS.c.subject == subject)
    resolved = await session.scalars(statement.values(resolved_at=at).returning(_SIGNALS.c.subject))
    before = await words_about(session, subjects={(source, name) for name in resolved})
    told = [
        _resolved(word)
        for words in before.values()
        for word in words.values()
        if word.key == key and word.observed_at <= at
    ]
    await replace_words(
        session,
        tenant_id=tenant_id,
        before=before,
        after=_with(before, told),
        digest=digest,
        at=utc_now(),
    )


async def forget_old_words(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
    """Let go of what was not said again within the window; return how many words there were."""
    digest = await lock_state(session, tenant_id=tenant_id)
    is_old = col(TrustWord.observed_at) <= now - WINDOW
    old = await session.execute(
        select(col(TrustWord.source), col(TrustWord.subject))
        .where(is_old)
        .group_by(col(TrustWord.source), col(TrustWord.subject))
        .limit(_SIGNALS_A_BATCH)
    )
    before = await words_about(session, subjects={(row[0], row[1]) for row in old})
    after = {
        subject: {
            identity: word for identity, word in words.items() if word.observed_at > now - WINDOW
        }
        for subject, words in before.items()
    }
    await replace_words(
        session, tenant_id=tenant_id, before=before, after=after, digest=digest, at=now
    )
    return sum(len(before[subject]) - len(after[subject]) for subject in before)


async def take_snapshot(
    session: AsyncSession, *, tenant_id: UUID, at: datetime
) -> TrustSnapshot | None:
    """Compute the score as of a moment from all signals; store it if it says something new.

    For moments in the past, after an import: now, `keep_snapshot` need not read the signals.
    """
    await _take_turns(session, tenant_id)
    version, weights = await weights_in_force(session)
    score = score_of(await words_at(session, at=at), weights=weights)
    snapshot = TrustSnapshot(
        tenant_id=tenant_id,
        computed_at=at,
        score_total=score.total,
        component_scores=stored_components(score.components, weights),
        contributors=[stored_contributor(one) for one in score.contributors],
        costs=[stored_cost(one) for one in score.costs],
        weights_version=version,
        inputs_hash=score.inputs_hash,
    )
    return await _keep(session, snapshot)


async def keep_snapshot(
    session: AsyncSession, *, tenant_id: UUID, now: datetime
) -> TrustSnapshot | None:
    """Store the current score if its inputs changed since the last one, or a day has passed."""
    await _take_turns(session, tenant_id)
    digest = await lock_state(session, tenant_id=tenant_id)
    await refresh_state(session, tenant_id=tenant_id, digest=digest, at=now)
    state = (
        await session.scalars(select(TrustState), execution_options={"populate_existing": True})
    ).one()
    columns = {
        name: getattr(state, name)
        for name in TrustSnapshot.model_fields
        if name in TrustState.model_fields
    }
    return await _keep(session, TrustSnapshot(**columns))


async def thin_snapshots(
    session: AsyncSession, *, keep_all_since: datetime, until: datetime
) -> None:
    """Keep one snapshot a day before a moment, the day's last, and none from before `until`."""
    day = func.date_trunc("day", col(TrustSnapshot.computed_at), "UTC")
    last_of_day = (
        select(func.max(col(TrustSnapshot.computed_at)))
        .where(col(TrustSnapshot.computed_at) < keep_all_since)
        .group_by(day)
    )
    at = col(TrustSnapshot.computed_at)
    await session.execute(
        delete(TrustSnapshot).where(
            at < keep_all_since, (at < until) | at.not_in(last_of_day.scalar_subquery())
        ),
        execution_options={"synchronize_session": False},
    )


async def _take_turns(session: AsyncSession, tenant_id: UUID) -> None:
    """Two hub processes take turns, so that one change is one snapshot."""
    await session.execute(func.pg_advisory_xact_lock(func.hashtext(f"trust {tenant_id}")).select())


async def _keep(session: AsyncSession, snapshot: TrustSnapshot) -> TrustSnapshot | None:
    last = await last_snapshot_key(session, at=snapshot.computed_at)
    if (
        last is not None
        and last.inputs_hash == snapshot.inputs_hash
        and snapshot.computed_at - last.computed_at < SNAPSHOT_AT_LEAST_EVERY
    ):
        return None
    session.add(snapshot)
    await session.flush()
    return snapshot


async def _store_signals(
    session: AsyncSession, *, tenant_id: UUID, signals: Iterable[Signal]
) -> None:
    statement = postgresql.insert(_SIGNALS)
    upsert = statement.on_conflict_do_update(
        index_elements=[
            _SIGNALS.c[name] for name in ("tenant_id", "source", "subject", "key", "observed_at")
        ],
        set_={"resolved_at": statement.excluded.resolved_at},
        where=_SIGNALS.c.resolved_at.is_(None) & statement.excluded.resolved_at.is_not(None),
    )
    rows = [{**asdict(signal), "tenant_id": tenant_id, "id": uuid4()} for signal in signals]
    await session.execute(upsert, rows)


def _with(
    before: Mapping[Subject, Mapping[Identity, Word]], words: Iterable[Word]
) -> dict[Subject, dict[Identity, Word]]:
    """Return all words as they are once these were said."""
    after: dict[Subject, dict[Identity, Word]] = defaultdict(dict)
    for subject, known in before.items():
        after[subject] = dict(known)
    for word in sorted(words, key=lambda word: word.observed_at):
        about = after[word.source, word.subject]
        known_word = about.get(word.identity)
        about[word.identity] = known_word.followed_by(word) if known_word else word
    return after


def _resolved(word: Word) -> Word:
    return Word(**{**asdict(word), "is_resolved": True})
