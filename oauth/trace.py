"""What happened between a client and the authorization server, step by step.

Every step is kept with the request id that stands in its answer, so an operator can find out why
somebody's connector does not connect (`monsys oauth trace`). Steps that concern a tenant are in
its audit trail too; those before sign-in have no other place than this table.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.events import EventType
from hub.clock import utc_now
from oauth.models import OAuthEvent, StepKind

STEPS_KEPT = timedelta(days=90)
MAX_STEPS_SHOWN = 1000
_MAX_CLIENT_ID_CHARACTERS = 512
_MAX_TEXT_CHARACTERS = 500

STEP_OF_EVENT = {
    EventType.OAUTH_CLIENT_REGISTERED: StepKind.REGISTERED,
    EventType.OAUTH_CODE_REPLAYED: StepKind.REPLAYED,
    EventType.OAUTH_CONSENT_DENIED: StepKind.DENIED,
    EventType.OAUTH_CONSENT_SHOWN: StepKind.SHOWN,
    EventType.OAUTH_GRANT_CREATED: StepKind.GRANTED,
    EventType.OAUTH_GRANT_REVOKED: StepKind.REVOKED,
    EventType.OAUTH_REFRESH_REPLAYED: StepKind.REPLAYED,
    EventType.OAUTH_REQUEST_REFUSED: StepKind.REFUSED,
    EventType.OAUTH_TOKEN_ISSUED: StepKind.EXCHANGED,
    EventType.OAUTH_TOKEN_REFRESHED: StepKind.REFRESHED,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step, by whom it was taken as far as that is known."""

    kind: StepKind
    client_id: str = ""
    tenant_id: UUID | None = None
    user_id: UUID | None = None
    request_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=utc_now)


async def store_step(session: AsyncSession, *, step: Step, awaits_audit: bool = False) -> UUID:
    """Keep a step and return its id. What strangers wrote is made printable and bounded first."""
    step_id = uuid4()
    await session.execute(
        insert(OAuthEvent).values(
            id=step_id,
            at=step.at,
            kind=step.kind,
            client_id=printable(step.client_id, max_characters=_MAX_CLIENT_ID_CHARACTERS),
            tenant_id=step.tenant_id,
            user_id=step.user_id,
            request_id=step.request_id,
            details={name: _storable(value) for name, value in step.details.items()},
            awaits_audit=awaits_audit,
        )
    )
    return step_id


async def steps(
    session: AsyncSession,
    *,
    client_id: str | None = None,
    user_id: UUID | None = None,
    request_id: str | None = None,
    since: datetime,
    last: int = 200,
) -> list[Step]:
    """Return the newest steps of a client, a person or a request, oldest first.

    Needs `presented='*'`.
    """
    statement = select(OAuthEvent).where(col(OAuthEvent.at) >= since)
    if client_id is not None:
        statement = statement.where(col(OAuthEvent.client_id) == client_id)
    if user_id is not None:
        statement = statement.where(col(OAuthEvent.user_id) == user_id)
    if request_id is not None:
        statement = statement.where(col(OAuthEvent.request_id) == request_id)
    statement = statement.order_by(col(OAuthEvent.at).desc(), col(OAuthEvent.id).desc())
    rows = (await session.scalars(statement.limit(min(last, MAX_STEPS_SHOWN)))).all()
    return [_step_of(row) for row in reversed(rows)]


async def awaiting_step(session: AsyncSession, *, step_id: UUID) -> Step | None:
    """Return the step, locked, unless its tenant's trail has it already. Needs `presented='*'`."""
    row = await session.scalar(
        select(OAuthEvent)
        .where(col(OAuthEvent.id) == step_id, col(OAuthEvent.awaits_audit))
        .with_for_update(skip_locked=True)
    )
    return _step_of(row) if row else None


async def steps_awaiting_audit(
    session: AsyncSession, *, before: datetime, first: int = 1000
) -> list[UUID]:
    """Return the steps that should have been in a tenant's trail by now. Needs `presented='*'`."""
    rows = await session.scalars(
        select(col(OAuthEvent.id))
        .where(col(OAuthEvent.awaits_audit), col(OAuthEvent.at) < before)
        .order_by(col(OAuthEvent.at), col(OAuthEvent.id))
        .limit(first)
    )
    return list(rows)


async def settle_step(session: AsyncSession, *, step_id: UUID, tenant_id: UUID | None) -> None:
    """Note whose the step was and that it waits no longer. Needs `presented='*'`."""
    await session.execute(
        update(OAuthEvent)
        .where(col(OAuthEvent.id) == step_id)
        .values(tenant_id=tenant_id, awaits_audit=False)
    )


async def prune_steps(session: AsyncSession, *, now: datetime) -> int:
    """Delete the steps that are old enough to be forgotten. Needs `presented='*'`."""
    result = await session.execute(
        delete(OAuthEvent)
        .where(col(OAuthEvent.at) < now - STEPS_KEPT)
        .returning(col(OAuthEvent.id))
    )
    return len(result.all())


def printable(text: str, *, max_characters: int) -> str:
    """Return text that a terminal and PostgreSQL both take, whoever wrote it."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:max_characters])


def _step_of(row: OAuthEvent) -> Step:
    return Step(
        kind=row.kind,
        client_id=row.client_id,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        request_id=row.request_id,
        details=dict(row.details),
        at=row.at,
    )


def _storable(value: Any) -> Any:
    return (
        printable(value, max_characters=_MAX_TEXT_CHARACTERS) if isinstance(value, str) else value
    )
