"""Mailed links: made once, used once, soon over. Only the digest of what stands in them is kept."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.tenancy.models import AccountLink, LinkKind

LINK_LIFETIME = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that was neither used nor has expired."""

    digest: str
    user_id: UUID | None
    sealed: bytes | None


async def store_link(
    session: AsyncSession,
    *,
    digest: str,
    kind: LinkKind,
    user_id: UUID | None = None,
    sealed: bytes | None = None,
) -> None:
    """Store a link. Needs `presented=digest`, and `user_id` where it is somebody's."""
    now = utc_now()
    await session.execute(
        insert(AccountLink).values(
            digest=digest,
            kind=kind,
            user_id=user_id,
            sealed=sealed,
            created_at=now,
            expires_at=now + LINK_LIFETIME,
        )
    )


async def open_link(session: AsyncSession, *, digest: str, kind: LinkKind) -> OpenLink | None:
    """Return the link as long as it is good. Needs `presented=digest`."""
    row = (
        await session.execute(
            select(
                col(AccountLink.digest), col(AccountLink.user_id), col(AccountLink.sealed)
            ).where(*_is_open(digest, kind))
        )
    ).one_or_none()
    return OpenLink(*row) if row else None


async def use_link(session: AsyncSession, *, digest: str, kind: LinkKind) -> bool:
    """Use the link up, and tell whether this call was the one that did. Needs `presented`."""
    used = await session.scalar(
        update(AccountLink)
        .where(*_is_open(digest, kind))
        .values(used_at=utc_now())
        .returning(col(AccountLink.digest))
    )
    return used is not None


async def end_links_of(session: AsyncSession, *, user_id: UUID) -> None:
    """Make every other link of this person worthless. Needs `user_id`."""
    await session.execute(
        update(AccountLink)
        .where(col(AccountLink.user_id) == user_id, col(AccountLink.used_at).is_(None))
        .values(used_at=utc_now())
    )


def _is_open(digest: str, kind: LinkKind) -> tuple[ColumnElement[bool], ...]:
    return (
        col(AccountLink.digest) == digest,
        col(AccountLink.kind) == kind,
        col(AccountLink.used_at).is_(None),
        col(AccountLink.expires_at) > utc_now(),
    )
