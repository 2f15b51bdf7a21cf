"""Writes of a person's own account: password, sign-ins, second factor; each with its event."""

from uuid import UUID

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.principal import PrincipalKind
from hub.tenancy.models import User


async def set_password(session: AsyncSession, *, user_id: UUID, password_hash: str) -> None:
    """Store a new password. Needs `user_id`."""
    await session.execute(
        update(User).where(col(User.id) == user_id).values(password_hash=password_hash)
    )


async def confirm_email(session: AsyncSession, *, user_id: UUID) -> None:
    """Note that the person reads the mail of their address. Needs `user_id`."""
    await session.execute(
        update(User)
        .where(col(User.id) == user_id, col(User.email_confirmed_at).is_(None))
        .values(email_confirmed_at=utc_now())
    )


async def record_account_event(
    session: AsyncSession,
    *,
    event_type: EventType,
    tenant_id: UUID,
    user_id: UUID,
    email: str,
    outcome: str = "success",
    **details: str | int,
) -> None:
    """Write down what a person did with their account. Needs `tenant_id`; comes last."""
    event = AuditEvent(
        event_type=event_type,
        actor=email,
        actor_kind=PrincipalKind.SESSION.value,
        outcome=outcome,
        user_id=user_id,
        details=dict(details),
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
    await append_events(session, tenant_id=tenant_id, events=[event])
