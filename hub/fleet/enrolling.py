"""Enrolment tokens as people handle them: who made one, and who took it back, is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.fleet.enrolment_tokens import (
    DEFAULT_LIFETIME,
    IssuedToken,
    forget_old_tokens,
    issue_enrolment_token,
    withdraw_token,
)
from hub.principal import Principal

_KEPT = timedelta(days=30)
_SHOWN_OF_ID = 12  # characters: enough to tell two apart in the audit trail


async def create_enrolment_token(
    session: AsyncSession,
    *,
    by: Principal,
    now: datetime,
    name: str | None = None,
    tags: Sequence[str] = (),
    lifetime: timedelta = DEFAULT_LIFETIME,
    request_id: str | None = None,
) -> IssuedToken:
    """Make a token. The audit trail keeps that it was made, and never the token."""
    await forget_old_tokens(session, before=now - _KEPT)
    issued = await issue_enrolment_token(
        session,
        tenant_id=by.tenant_id,
        made_by=by.label[:254],
        now=now,
        name=name,
        tags=tags,
        lifetime=lifetime,
    )
    details = {"agent": name, "token": issued.id[:_SHOWN_OF_ID]}
    event = _event(EventType.ENROLMENT_TOKEN_MADE, by, details, request_id)
    await append_events(session, tenant_id=by.tenant_id, events=[event], at=now)
    return issued


async def revoke_enrolment_token(
    session: AsyncSession,
    *,
    by: Principal,
    token_id: str,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Make a token useless that was not used yet."""
    name = await withdraw_token(session, token_id=token_id)
    details = {"agent": name, "token": token_id[:_SHOWN_OF_ID]}
    event = _event(EventType.ENROLMENT_TOKEN_REVOKED, by, details, request_id)
    await append_events(session, tenant_id=by.tenant_id, events=[event], at=now)


def _event(
    event_type: EventType, by: Principal, details: dict[str, str | None], request_id: str | None
) -> AuditEvent:
    return AuditEvent(
        event_type=event_type,
        actor=by.label,
        actor_kind=by.kind.value,
        user_id=by.user_id,
        details=details,
        request_id=request_id,
    )
