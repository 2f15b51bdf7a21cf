"""Writes of the Trust Score: signals come in, snapshots are taken."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.severity import Severity
from hub.trust.models import TrustComponent, TrustSignal, TrustSnapshot
from hub.trust.queries import last_snapshot_key, weights_in_force, words_at
from hub.trust.score import Contributor, Score, score_of

SNAPSHOT_AT_LEAST_EVERY = timedelta(days=1)
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


async def record_signals(
    session: AsyncSession, *, tenant_id: UUID, signals: Sequence[Signal]
) -> None:
    """Store signals; one that is known already is stored once, and may say that it is resolved."""
    if not signals:
        return
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


async def resolve_signals(
    session: AsyncSession, *, source: str, key: str, subject: str | None = None, at: datetime
) -> None:
    """Mark a problem as resolved, on one subject or wherever it was seen before that moment."""
    statement = update(_SIGNALS).where(
        col(TrustSignal.source) == source,
        col(TrustSignal.key) == key,
        col(TrustSignal.observed_at) <= at,
        col(TrustSignal.resolved_at).is_(None),
    )
    if subject is not None:
        statement = statement.where(col(TrustSignal.subject) == subject)
    await session.execute(statement.values(resolved_at=at))


async def take_snapshot(
    session: AsyncSession, *, tenant_id: UUID, at: datetime
) -> TrustSnapshot | None:
    """Compute the score as of a moment; store it if its inputs changed or a day has passed.

    Returns the stored snapshot, or None when the one before still says it all.
    """
    # Two hub processes take turns, so that one change is one snapshot.
    await session.execute(func.pg_advisory_xact_lock(func.hashtext(f"trust {tenant_id}")).select())
    version, weights = await weights_in_force(session)
    score = score_of(await words_at(session, at=at), weights=weights)
    last = await last_snapshot_key(session, at=at)
    if (
        last is not None
        and last.inputs_hash == score.inputs_hash
        and at - last.computed_at < SNAPSHOT_AT_LEAST_EVERY
    ):
        return None
    snapshot = TrustSnapshot(
        tenant_id=tenant_id,
        computed_at=at,
        score_total=score.total,
        component_scores=_component_scores(score, weights),
        contributors=[_stored(one) for one in score.contributors],
        weights_version=version,
        inputs_hash=score.inputs_hash,
    )
    session.add(snapshot)
    await session.flush()
    return snapshot


def _component_scores(
    score: Score, weights: dict[TrustComponent, float]
) -> dict[str, dict[str, float | None]]:
    return {
        name.value: {"score": value, "weight": weights[name]}
        for name, value in score.components.items()
    }


def _stored(contributor: Contributor) -> dict[str, object]:
    return {
        **asdict(contributor),
        "subjects": list(contributor.subjects),
        "since": contributor.since.isoformat(),
    }
