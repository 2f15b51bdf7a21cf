"""Reads of a tenant's people and of who was invited. Each function is one SQL statement."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.paging import Page, counted_page, decode_cursor, encode_cursor
from hub.principal import Role
from hub.tenancy.models import Invitation, Membership, User

MEMBERS_A_PAGE = 100
MAX_INVITATIONS = 100
_MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A member as the list of members shows them."""

    user_id: UUID
    email: str
    name: str
    role: Role
    has_totp: bool
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation that can still be accepted."""

    tenant_id: UUID
    id: UUID
    email: str
    role: Role
    invited_by: str
    expires_at: datetime


async def members_page(
    session: AsyncSession, *, first: int = MEMBERS_A_PAGE, after: str | None = None
) -> Page[ListedMember]:
    """Return the tenant's people by address, and how many there are. Needs `tenant_id`."""
    total = select(func.count()).select_from(Membership).scalar_subquery()
    beyond = true()
    if after is not None:
        (email,) = decode_cursor(_MEMBERS, after, str)
        beyond = col(User.email) > email
    rows = await session.execute(
        select(
            col(User.id).label("user_id"),
            col(User.email),
            col(User.name),
            col(Membership.role),
            col(User.totp_secret_sealed).is_not(None).label("has_totp"),
            col(Membership.created_at).label("joined_at"),
            total.label("total"),
        )
        .join(Membership, col(Membership.user_id) == col(User.id))
        .where(beyond)
        .order_by(col(User.email))
        .limit(first + 1)
    )
    return counted_page(ListedMember, rows.mappings().all(), first=first)


def member_cursor(member: ListedMember) -> str:
    """Return where the page after this member begins."""
    return encode_cursor(_MEMBERS, member.email)


async def open_invitations(session: AsyncSession) -> list[OpenInvitation]:
    """Return the tenant's invitations that wait for an answer. Needs `tenant_id`."""
    rows = await session.execute(
        select(*_COLUMNS)
        .where(*_is_open())
        .order_by(col(Invitation.created_at).desc(), col(Invitation.id))
        .limit(MAX_INVITATIONS)
    )
    return [OpenInvitation(*row) for row in rows]


async def invitation_by_digest(session: AsyncSession, *, digest: str) -> OpenInvitation | None:
    """Return the invitation of this link as long as it is good. Needs `presented=digest`."""
    row = (
        await session.execute(
            select(*_COLUMNS).where(col(Invitation.digest) == digest, *_is_open())
        )
    ).one_or_none()
    return OpenInvitation(*row) if row else None


_COLUMNS = (
    col(Invitation.tenant_id),
    col(Invitation.id),
    col(Invitation.email),
    col(Invitation.role),
    col(Invitation.invited_by),
    col(Invitation.expires_at),
)


def _is_open() -> tuple[ColumnElement[bool], ...]:
    return (
        col(Invitation.accepted_at).is_(None),
        col(Invitation.revoked_at).is_(None),
        col(Invitation.expires_at) > utc_now(),
    )
