"""Counts of attempts that all replicas share. Each function is one SQL statement.

Rows are found by the digest of what was tried, by whom and from where. Each is locked from its
counting to the end of the transaction, so attempts that arrive together are counted one by one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.tenancy.models import AttemptCount


@dataclass(frozen=True, slots=True)
class Limit:
    """So many within such a time, counted from the first."""

    count: int
    window: timedelta


async def count_within(
    session: AsyncSession, *, digest: str, limit: Limit, now: datetime
) -> int | None:
    """Count one, unless the limit is reached: then None. Needs `presented=digest`."""
    is_over = col(AttemptCount.expires_at) <= now
    until = now + limit.window
    counted: int | None = await session.scalar(
        postgresql.insert(AttemptCount)
        .values(digest=digest, count=1, expires_at=until)
        .on_conflict_do_update(
            index_elements=[col(AttemptCount.digest)],
            set_={
                "count": case((is_over, 1), else_=col(AttemptCount.count) + 1),
                "expires_at": case((is_over, until), else_=col(AttemptCount.expires_at)),
            },
            where=or_(is_over, col(AttemptCount.count) < limit.count),
        )
        .returning(col(AttemptCount.count))
    )
    return counted


async def count_in_a_row(
    session: AsyncSession, *, digest: str, silence: timedelta, now: datetime
) -> int:
    """Count one and return how many there were without such a silence. Needs `presented=digest`."""
    is_over = col(AttemptCount.expires_at) <= now
    until = now + silence
    counted = await session.scalars(
        postgresql.insert(AttemptCount)
        .values(digest=digest, count=1, expires_at=until)
        .on_conflict_do_update(
            index_elements=[col(AttemptCount.digest)],
            set_={
                "count": case((is_over, 1), else_=col(AttemptCount.count) + 1),
                "expires_at": until,
            },
        )
        .returning(col(AttemptCount.count))
    )
    return counted.one()


async def reached_until(
    session: AsyncSession, *, digest: str, count: int, now: datetime
) -> datetime | None:
    """Return until when so many are counted, None when fewer are. Needs `presented=digest`."""
    until: datetime | None = await session.scalar(
        select(col(AttemptCount.expires_at)).where(
            col(AttemptCount.digest) == digest,
            col(AttemptCount.count) >= count,
            col(AttemptCount.expires_at) > now,
        )
    )
    return until


async def forget_attempts(session: AsyncSession, *, digest: str) -> None:
    """Start over. Needs `presented=digest`."""
    await session.execute(delete(AttemptCount).where(col(AttemptCount.digest) == digest))


async def prune_attempts(session: AsyncSession, *, now: datetime) -> None:
    """Delete counts that are over. Needs `presented='*'`."""
    await session.execute(delete(AttemptCount).where(col(AttemptCount.expires_at) <= now))
