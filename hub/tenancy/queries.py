"""Reads of tenants, their people and their sign-ins. Each function is one SQL statement.

What a query sees depends on how the transaction was opened, as `hub.database` describes; each
docstring says what it needs.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.principal import Role
from hub.tenancy.models import Membership, Tenant, User, WebSession

MANAGERS = (Role.OWNER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account, as sign-in needs it."""

    user_id: UUID
    email: str
    name: str
    password_hash: str
    is_disabled: bool
    has_totp: bool


@dataclass(frozen=True, slots=True)
class TenantMembership:
    """A tenant that a person belongs to, their role there and its connector settings."""

    tenant_id: UUID
    slug: str
    tenant_name: str
    role: Role
    claude_may_read: bool
    claude_may_acknowledge: bool
    strict_residency: bool
    stay_connected: bool = False
    stay_connected_days: int = 30


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A sign-in that was not ended."""

    user_id: UUID
    tenant_id: UUID
    last_seen_at: datetime
    expires_at: datetime
    second_factor_at: datetime | None


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A sign-in that is over: ended by somebody, or run out."""

    user_id: UUID
    tenant_id: UUID
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A person in one tenant: who they are and what they are there."""

    user_id: UUID
    tenant_id: UUID
    email: str
    role: Role


async def account_by_email(session: AsyncSession, *, email: str) -> Account | None:
    """Return the account with this address. Needs `presented=email`."""
    row = (
        await session.execute(
            select(
                col(User.id),
                col(User.email),
                col(User.name),
                col(User.password_hash),
                col(User.disabled_at).is_not(None),
                col(User.totp_secret_sealed).is_not(None),
            ).where(col(User.email) == email)
        )
    ).one_or_none()
    return Account(*row) if row else None


async def account_by_id(session: AsyncSession, *, user_id: UUID) -> Account | None:
    """Return the person's account. Needs `user_id`."""
    row = (
        await session.execute(
            select(
                col(User.id),
                col(User.email),
                col(User.name),
                col(User.password_hash),
                col(User.disabled_at).is_not(None),
                col(User.totp_secret_sealed).is_not(None),
            ).where(col(User.id) == user_id)
        )
    ).one_or_none()
    return Account(*row) if row else None


async def still_holds(session: AsyncSession, *, account: Account) -> bool:
    """Tell whether password and account are what they were, and keep them so. Needs `user_id`.

    Until the transaction ends: whoever changes the password at this moment comes first, or waits
    and then ends what was opened with the former one.
    """
    stored = await session.scalar(
        select(col(User.password_hash))
        .where(col(User.id) == account.user_id, col(User.disabled_at).is_(None))
        .with_for_update(read=True)
    )
    return stored == account.password_hash


async def memberships_of(session: AsyncSession, *, user_id: UUID) -> list[TenantMembership]:
    """Return the person's tenants, the first joined first. Needs `user_id`."""
    rows = await session.execute(
        select(
            col(Tenant.id),
            col(Tenant.slug),
            col(Tenant.name),
            col(Membership.role),
            col(Tenant.claude_may_read),
            col(Tenant.claude_may_acknowledge),
            col(Tenant.strict_residency),
            col(Tenant.stay_connected),
            col(Tenant.stay_connected_days),
        )
        .join(Membership, col(Membership.tenant_id) == col(Tenant.id))
        .where(col(Membership.user_id) == user_id)
        .order_by(col(Membership.created_at), col(Membership.tenant_id))
    )
    return [TenantMembership(*row) for row in rows]


async def session_by_digest(session: AsyncSession, *, digest: str) -> StoredSession | None:
    """Return the sign-in behind a cookie, unless it was ended. Needs `presented=digest`."""
    row = (
        await session.execute(
            select(
                col(WebSession.user_id),
                col(WebSession.tenant_id),
                col(WebSession.last_seen_at),
                col(WebSession.expires_at),
                col(WebSession.second_factor_at),
            ).where(col(WebSession.digest) == digest, col(WebSession.revoked_at).is_(None))
        )
    ).one_or_none()
    return StoredSession(*row) if row else None


async def ended_session(session: AsyncSession, *, digest: str) -> EndedSession | None:
    """Return whose cookie this is, whatever became of the sign-in. Needs `presented=digest`."""
    row = (
        await session.execute(
            select(
                col(WebSession.user_id),
                col(WebSession.tenant_id),
                col(WebSession.revoked_at).is_not(None),
            ).where(col(WebSession.digest) == digest)
        )
    ).one_or_none()
    return EndedSession(*row) if row else None


async def member(session: AsyncSession, *, tenant_id: UUID, user_id: UUID) -> Member | None:
    """Return the person as a member of the tenant, unless disabled. Needs `tenant_id`."""
    row = (
        await session.execute(
            select(col(User.id), col(Membership.tenant_id), col(User.email), col(Membership.role))
            .join(Membership, col(Membership.user_id) == col(User.id))
            .where(
                col(User.id) == user_id,
                col(Membership.tenant_id) == tenant_id,
                col(User.disabled_at).is_(None),
            )
        )
    ).one_or_none()
    return Member(*row) if row else None


async def manager_emails(session: AsyncSession, *, tenant_id: UUID, first: int = 3) -> list[str]:
    """Return the addresses of a few people who may change settings. Needs `tenant_id`."""
    rows = await session.scalars(
        select(col(User.email))
        .join(Membership, col(Membership.user_id) == col(User.id))
        .where(
            col(Membership.tenant_id) == tenant_id,
            col(Membership.role).in_(MANAGERS),
            col(User.disabled_at).is_(None),
        )
        .order_by(col(Membership.created_at), col(User.id))
        .limit(first)
    )
    return list(rows)


async def tenant_by_slug(session: AsyncSession, *, slug: str) -> Tenant | None:
    """Return the tenant of this slug. Needs `presented=slug`."""
    return (await session.scalars(select(Tenant).where(col(Tenant.slug) == slug))).one_or_none()


async def tenant_name(session: AsyncSession, *, tenant_id: UUID) -> str:
    """Return what the tenant is called. Needs `tenant_id`."""
    statement = select(col(Tenant.name)).where(col(Tenant.id) == tenant_id)
    return (await session.execute(statement)).scalar_one()
