"""Reads of the authorization server. Each function is one SQL statement.

What a query sees depends on how the transaction was opened, as `hub.database` describes; each
docstring says what it needs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.principal import Role
from hub.tenancy.models import Membership, Tenant, User
from oauth.models import OAuthClient, OAuthCode, OAuthGrant, OAuthToken, TokenKind


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as refreshing and revocation need it."""

    digest: str
    kind: TokenKind
    tenant_id: UUID
    grant_id: UUID
    user_id: UUID
    client_id: str
    scope: str
    resource: str
    expires_at: datetime
    is_revoked: bool
    used_at: datetime | None
    successor_sealed: bytes | None

    def check_client(self, client: OAuthClient) -> bool:
        """Tell Authlib whether the token was issued to this client (RFC 7009 §2.1)."""
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        """Tell Authlib what the token is good for."""
        return self.scope


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether what a person once allowed still holds: grant, person, membership and switches."""

    email: str
    role: Role | None
    is_disabled: bool
    is_revoked: bool
    claude_may_read: bool
    claude_may_acknowledge: bool
    stay_connected: bool
    stay_connected_days: int
    granted_at: datetime


async def client_by_id(session: AsyncSession, *, client_id: str) -> OAuthClient | None:
    """Return the registered client. Needs `presented=client_id`."""
    return await session.scalar(select(OAuthClient).where(col(OAuthClient.client_id) == client_id))


async def code_by_digest(session: AsyncSession, *, digest: str) -> OAuthCode | None:
    """Return the authorization code, used or not. Needs `presented=digest`."""
    return await session.scalar(select(OAuthCode).where(col(OAuthCode.digest) == digest))


async def token_by_digest(session: AsyncSession, *, digest: str) -> StoredToken | None:
    """Return the token, valid or not. Needs `presented=digest`."""
    row: Any = (
        await session.execute(
            select(
                col(OAuthToken.digest),
                col(OAuthToken.kind),
                col(OAuthToken.tenant_id),
                col(OAuthToken.grant_id),
                col(OAuthToken.user_id),
                col(OAuthToken.client_id),
                col(OAuthToken.scope),
                col(OAuthToken.resource),
                col(OAuthToken.expires_at),
                col(OAuthToken.revoked_at).is_not(None),
                col(OAuthToken.used_at),
                col(OAuthToken.successor_sealed),
            ).where(col(OAuthToken.digest) == digest)
        )
    ).one_or_none()
    return StoredToken(*row) if row else None


async def standing_of_grant(
    session: AsyncSession, *, tenant_id: UUID, grant_id: UUID
) -> Standing | None:
    """Return whether the grant still holds. Needs `tenant_id` and the person's `user_id`.

    A person who left the tenant has no role there, but is still named.
    """
    row = (
        await session.execute(
            select(
                col(User.email),
                col(Membership.role),
                col(User.disabled_at).is_not(None),
                col(OAuthGrant.revoked_at).is_not(None),
                col(Tenant.claude_may_read),
                col(Tenant.claude_may_acknowledge),
                col(Tenant.stay_connected),
                col(Tenant.stay_connected_days),
                col(OAuthGrant.created_at),
            )
            .select_from(OAuthGrant)
            .join(Tenant, col(Tenant.id) == col(OAuthGrant.tenant_id))
            .join(User, col(User.id) == col(OAuthGrant.user_id))
            .outerjoin(
                Membership,
                and_(
                    col(Membership.tenant_id) == col(OAuthGrant.tenant_id),
                    col(Membership.user_id) == col(OAuthGrant.user_id),
                ),
            )
            .where(col(OAuthGrant.tenant_id) == tenant_id, col(OAuthGrant.id) == grant_id)
        )
    ).one_or_none()
    return Standing(*row) if row else None
