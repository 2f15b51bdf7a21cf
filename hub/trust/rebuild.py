"""The full recomputation: everything that is kept current, made again from the signals.

It finds the same numbers, or says that it did not; the job that runs it repairs both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.trust.current import lock_state, refresh_state, replace_words
from hub.trust.models import TrustProblem, TrustSource, TrustWord
from hub.trust.queries import words_at
from hub.trust.words import Word

_SUBJECTS_A_BATCH = 2_000
# What was said counts as soon as it is said, also where the sender's clock is ahead.
_CLOCKS_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the recomputation found."""

    words: int
    has_drifted: bool


async def rebuild_score(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> Rebuilt:
    """Compute a tenant's words, sums and score from its signals alone."""
    before = await lock_state(session, tenant_id=tenant_id)
    collected = set(
        await session.scalars(select(col(TrustSource.source)).where(col(TrustSource.is_collected)))
    )
    words = await words_at(session, at=now, clocks_ahead=_CLOCKS_AHEAD)
    for table in (TrustWord, TrustProblem, TrustSource):
        await session.execute(delete(table))
    digest = bytes(32)
    for is_collected in (True, False):
        said = [word for word in words if (word.source in collected) is is_collected]
        digest = await _say(session, tenant_id, said, digest, now, is_collected=is_collected)
    if not words:
        await refresh_state(session, tenant_id=tenant_id, digest=digest, at=now)
    return Rebuilt(words=len(words), has_drifted=digest != before)


async def _say(
    session: AsyncSession,
    tenant_id: UUID,
    words: list[Word],
    digest: bytes,
    now: datetime,
    *,
    is_collected: bool,
) -> bytes:
    by_subject: dict[Any, dict[Any, Word]] = {}
    for word in words:
        by_subject.setdefault((word.source, word.subject), {})[word.identity] = word
    for batch in batched(by_subject.items(), _SUBJECTS_A_BATCH):
        digest = await replace_words(
            session,
            tenant_id=tenant_id,
            before={},
            after=dict(batch),
            digest=digest,
            at=now,
            is_collected=is_collected,
        )
    return digest
