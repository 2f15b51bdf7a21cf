"""Writes of the authorization server. Secrets enter as digests."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import and_, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from oauth.models import OAuthClient, OAuthCode, OAuthGrant, OAuthToken, TokenKind
from oauth.queries import StoredToken

# What a new token inherits its person, client, grant and resource from.
type Bound = OAuthCode | StoredToken

# Fine enough to prune clients that nobody uses, and no row lock for every exchange of a busy one.
_CLIENT_USE_INTERVAL = timedelta(days=1)
UNUSED_CLIENTS_KEPT = timedelta(days=90)
USED_CLIENTS_KEPT = timedelta(days=365)
_CODES_KEPT = timedelta(days=1)
_TOKENS_KEPT = timedelta(days=30)


async def store_client(session: AsyncSession, *, client: OAuthClient) -> None:
    """Store a registered client. Needs `presented=client_id`."""
    session.add(client)
    await session.flush()


async def keep_document_client(session: AsyncSession, *, client: OAuthClient) -> None:
    """Store what a metadata document says, over what it said before. Needs `presented=client_id`.

    When the client was registered and last used stays as it was.
    """
    values = client.model_dump(exclude={"created_at", "last_used_at"})
    await session.execute(
        postgresql.insert(OAuthClient)
        .values(**values, created_at=utc_now())
        .on_conflict_do_update(index_elements=[col(OAuthClient.client_id)], set_=values)
    )


async def prune_clients(session: AsyncSession, *, now: datetime) -> list[str]:
    """Delete clients that nobody uses, and return their ids. Needs `presented='*'`.

    A registration that never led to a token goes after 90 days, one that did a year after its last
    use. Clients are told `invalid_client` then, and register again (RFC 6749 §5.2).
    """
    pruned = await session.scalars(
        delete(OAuthClient)
        .where(
            or_(
                and_(
                    col(OAuthClient.last_used_at).is_(None),
                    col(OAuthClient.created_at) < now - UNUSED_CLIENTS_KEPT,
                ),
                col(OAuthClient.last_used_at) < now - USED_CLIENTS_KEPT,
            )
        )
        .returning(col(OAuthClient.client_id))
    )
    return list(pruned)


async def prune_codes(session: AsyncSession, *, now: datetime) -> int:
    """Delete codes that nobody can show any more. Needs `tenant_id`.

    A day longer than they are good for: showing a used one again still ends what it gave.
    """
    pruned = await session.scalars(
        delete(OAuthCode)
        .where(col(OAuthCode.expires_at) < now - _CODES_KEPT)
        .returning(col(OAuthCode.digest))
    )
    return len(pruned.all())


async def prune_tokens(session: AsyncSession, *, now: datetime) -> int:
    """Delete tokens long expired, so that reuse of a retired one shows until then.

    Needs `tenant_id`. Those that somebody is revoking now are left for the next time: both lock
    many rows, each in an order of its own.
    """
    old = (
        select(col(OAuthToken.digest))
        .where(col(OAuthToken.expires_at) < now - _TOKENS_KEPT)
        .with_for_update(skip_locked=True)
    )
    pruned = await session.scalars(
        delete(OAuthToken).where(col(OAuthToken.digest).in_(old)).returning(col(OAuthToken.digest))
    )
    return len(pruned.all())


async def touch_client(session: AsyncSession, *, client_id: str) -> None:
    """Note that the client is in use. Needs `presented=client_id`."""
    now = utc_now()
    await session.execute(
        update(OAuthClient)
        .where(
            col(OAuthClient.client_id) == client_id,
            or_(
                col(OAuthClient.last_used_at).is_(None),
                col(OAuthClient.last_used_at) < now - _CLIENT_USE_INTERVAL,
            ),
        )
        .values(last_used_at=now)
    )


async def store_grant(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    user_id: UUID,
    client: OAuthClient,
    redirect_host: str,
    scope: str,
) -> UUID:
    """Store that a person allowed a client, and return the grant's id. Needs `tenant_id`."""
    grant_id = uuid4()
    await session.execute(
        insert(OAuthGrant).values(
            tenant_id=tenant_id,
            id=grant_id,
            user_id=user_id,
            client_id=client.client_id,
            client_name=client.client_name,
            redirect_host=redirect_host,
            scope=scope,
            created_at=utc_now(),
        )
    )
    return grant_id


async def store_code(
    session: AsyncSession,
    *,
    digest: str,
    tenant_id: UUID,
    grant_id: UUID,
    user_id: UUID,
    client_id: str,
    redirect_uri: str,
    scope: str,
    resource: str,
    code_challenge: str,
    lifetime: timedelta,
) -> None:
    """Store an authorization code with everything it is bound to. Needs `tenant_id`."""
    now = utc_now()
    await session.execute(
        insert(OAuthCode).values(
            digest=digest,
            tenant_id=tenant_id,
            grant_id=grant_id,
            user_id=user_id,
            client_id=client_id,
            redirect_uri=redirect_uri,
            scope=scope,
            resource=resource,
            code_challenge=code_challenge,
            created_at=now,
            expires_at=now + lifetime,
        )
    )


async def consume_code(session: AsyncSession, *, digest: str) -> bool:
    """Use up the code and tell whether this call was the one that did.

    Of any number of concurrent calls the row lock lets one through; the others wait for its
    transaction and then find the code used.
    """
    used = await session.scalar(
        update(OAuthCode)
        .where(col(OAuthCode.digest) == digest, col(OAuthCode.used_at).is_(None))
        .values(used_at=utc_now())
        .returning(col(OAuthCode.digest))
    )
    return used is not None


async def store_token(
    session: AsyncSession,
    *,
    digest: str,
    kind: TokenKind,
    bound: Bound,
    scope: str,
    expires_at: datetime,
) -> None:
    """Store a token, bound to what its code or its predecessor was bound to. Needs `tenant_id`."""
    await session.execute(
        insert(OAuthToken).values(
            digest=digest,
            kind=kind,
            tenant_id=bound.tenant_id,
            grant_id=bound.grant_id,
            user_id=bound.user_id,
            client_id=bound.client_id,
            scope=scope,
            resource=bound.resource,
            issued_at=utc_now(),
            expires_at=expires_at,
        )
    )


async def retire_refresh_token(session: AsyncSession, *, digest: str, sealed: bytes) -> bool:
    """Use the refresh token up, and tell whether this call was the one that did.

    Of concurrent calls the row lock lets one through; the others wait for its transaction and then
    find the successor that it named. Needs `tenant_id`.
    """
    retired = await session.scalar(
        update(OAuthToken)
        .where(
            col(OAuthToken.digest) == digest,
            col(OAuthToken.used_at).is_(None),
            col(OAuthToken.revoked_at).is_(None),
        )
        .values(used_at=utc_now(), successor_sealed=sealed)
        .returning(col(OAuthToken.digest))
    )
    return retired is not None


async def revoke_grant(session: AsyncSession, *, tenant_id: UUID, grant_id: UUID) -> bool:
    """End a grant and every token of it; tell whether it was still alive. Needs `tenant_id`."""
    now = utc_now()
    revoked = await session.scalar(
        update(OAuthGrant)
        .where(
            col(OAuthGrant.tenant_id) == tenant_id,
            col(OAuthGrant.id) == grant_id,
            col(OAuthGrant.revoked_at).is_(None),
        )
        .values(revoked_at=now)
        .returning(col(OAuthGrant.id))
    )
    await session.execute(
        update(OAuthToken)
        .where(
            col(OAuthToken.tenant_id) == tenant_id,
            col(OAuthToken.grant_id) == grant_id,
            col(OAuthToken.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )
    return revoked is not None
