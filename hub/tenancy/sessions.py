"""Sign-ins: opened, looked up by the digest of their cookie, ended. The token itself is not kept.

A session ends by sign-out, after a silence, and at a fixed time whatever happens.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.database import Database, enter
from hub.principal import PERMISSIONS_BY_ROLE, Principal, PrincipalKind
from hub.tenancy.models import WebSession
from hub.tenancy.queries import StoredSession, member, session_by_digest

# A page that polls must not write to its session with every request.
_TOUCH_INTERVAL = timedelta(minutes=1)


def new_session_token() -> str:
    """Return 32 random bytes as text, for a cookie."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Return what is stored of a credential: its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()


async def open_session(
    session: AsyncSession,
    *,
    token: str,
    tenant_id: UUID,
    user_id: UUID,
    email: str,
    lifetime: timedelta,
    second_factor_at: datetime | None = None,
    request_id: str | None = None,
) -> None:
    """Store a new sign-in, and enter its tenant."""
    now = utc_now()
    await enter(session, tenant_id=tenant_id, user_id=user_id)
    await session.execute(
        insert(WebSession).values(
            digest=digest_of(token),
            user_id=user_id,
            tenant_id=tenant_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + lifetime,
            second_factor_at=second_factor_at,
        )
    )
    method = "password+totp" if second_factor_at else "password"
    event = _event(
        EventType.SIGNED_IN, email, user_id, details={"method": method}, request_id=request_id
    )
    await append_events(session, tenant_id=tenant_id, events=[event])


async def rotate_session(
    session: AsyncSession,
    *,
    token: str,
    new_token: str,
    tenant_id: UUID | None = None,
    second_factor_at: datetime | None = None,
) -> bool:
    """Give the sign-in a new cookie, because it may do more or other things from now on.

    A cookie that somebody copied before is worth nothing afterwards. Its end stays where it was.
    False when the sign-in is over already. Needs the person's `user_id`.
    """
    now = utc_now()
    ended = (
        await session.execute(
            update(WebSession)
            .where(col(WebSession.digest) == digest_of(token), col(WebSession.revoked_at).is_(None))
            .values(revoked_at=now)
            .returning(
                col(WebSession.user_id),
                col(WebSession.tenant_id),
                col(WebSession.created_at),
                col(WebSession.expires_at),
                col(WebSession.second_factor_at),
            )
        )
    ).one_or_none()
    if ended is None:
        return False
    await session.execute(
        insert(WebSession).values(
            digest=digest_of(new_token),
            user_id=ended.user_id,
            tenant_id=tenant_id or ended.tenant_id,
            created_at=ended.created_at,
            last_seen_at=now,
            expires_at=ended.expires_at,
            second_factor_at=second_factor_at or ended.second_factor_at,
        )
    )
    return True


async def end_sessions_of(
    session: AsyncSession,
    *,
    user_id: UUID,
    tenant_id: UUID | None = None,
    but_token: str | None = None,
) -> int:
    """End a person's sign-ins, everywhere or in one tenant, and return how many there were.

    Needs `user_id`, or `tenant_id` for those in one tenant.
    """
    statement = update(WebSession).where(
        col(WebSession.user_id) == user_id, col(WebSession.revoked_at).is_(None)
    )
    if tenant_id is not None:
        statement = statement.where(col(WebSession.tenant_id) == tenant_id)
    if but_token is not None:
        statement = statement.where(col(WebSession.digest) != digest_of(but_token))
    ended = await session.scalars(
        statement.values(revoked_at=utc_now()).returning(col(WebSession.digest))
    )
    return len(ended.all())


async def end_session(
    session: AsyncSession, *, token: str, request_id: str | None = None
) -> StoredSession | None:
    """End the sign-in of this cookie and return it; None when there is none to end."""
    digest = digest_of(token)
    await enter(session, presented=digest)
    found = await session_by_digest(session, digest=digest)
    if found is None:
        return None
    await session.execute(
        update(WebSession).where(col(WebSession.digest) == digest).values(revoked_at=utc_now())
    )
    await enter(session, tenant_id=found.tenant_id, user_id=found.user_id)
    person = await member(session, tenant_id=found.tenant_id, user_id=found.user_id)
    email = person.email if person else "former member"
    await append_events(
        session,
        tenant_id=found.tenant_id,
        events=[_event(EventType.SIGNED_OUT, email, found.user_id, request_id=request_id)],
    )
    return found


async def record_failed_sign_in(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    user_id: UUID,
    email: str,
    reason: str,
    request_id: str | None = None,
    at: datetime | None = None,
) -> None:
    """Write down that somebody failed to sign in as this person."""
    await enter(session, tenant_id=tenant_id, user_id=user_id)
    event = _event(
        EventType.SIGN_IN_FAILED,
        email,
        user_id,
        outcome="refused",
        details={"reason": reason},
        request_id=request_id,
    )
    await append_events(session, tenant_id=tenant_id, events=[event], at=at)


async def principal_of_session(
    database: Database, *, token: str, idle: timedelta, is_activity: bool = True
) -> Principal | None:
    """Return who is signed in with this cookie; None when it is unknown, ended or expired.

    What a person does keeps the sign-in from idling; a page that only stays open does not.
    """
    digest, now = digest_of(token), utc_now()
    async with database.transaction(presented=digest) as session:
        found = await session_by_digest(session, digest=digest)
        if found is None or now >= min(found.expires_at, found.last_seen_at + idle):
            return None
        if is_activity and now - found.last_seen_at > _TOUCH_INTERVAL:
            await _touch(session, digest=digest, now=now)
        await enter(session, tenant_id=found.tenant_id, user_id=found.user_id)
        person = await member(session, tenant_id=found.tenant_id, user_id=found.user_id)
    if person is None:
        return None
    return Principal(
        kind=PrincipalKind.SESSION,
        tenant_id=person.tenant_id,
        user_id=person.user_id,
        label=person.email,
        permissions=PERMISSIONS_BY_ROLE[person.role],
        role=person.role,
        second_factor_at=found.second_factor_at,
    )


async def _touch(session: AsyncSession, *, digest: str, now: datetime) -> None:
    await session.execute(
        update(WebSession).where(col(WebSession.digest) == digest).values(last_seen_at=now)
    )


def _event(
    event_type: EventType,
    email: str,
    user_id: UUID,
    *,
    outcome: str = "success",
    details: dict[str, str] | None = None,
    request_id: str | None = None,
) -> AuditEvent:
    return AuditEvent(
        event_type=event_type,
        actor=email,
        actor_kind=PrincipalKind.SESSION.value,
        outcome=outcome,
        user_id=user_id,
        details=details or {},
        request_id=request_id,
    )
