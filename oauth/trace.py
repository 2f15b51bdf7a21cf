"""What happened between a client and the authorization server, step by step.

Every step is kept with the request id that stands in its answer, so an operator can find out why
somebody's connector does not connect (`monsys oauth trace`). Steps that concern a tenant are in
its audit trail too; those before sign-in have no other place than this table.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select
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


async def store_step(session: AsyncSession, *, step: Step) -> None:
    """Keep a step. What strangers wrote is made printable and bounded first."""
    await session.execute(
        insert(OAuthEvent).values(
            id=uuid4(),
            at=step.at,
            kind=step.kind,
            client_id=printable(step.client_id, max_characters=_MAX_CLIENT_ID_CHARACTERS),
            tenant_id=step.tenant_id,
            user_id=step.user_id,
            request_id=step.request_id,
            details={name: _storable(value) for name, value in step.details.items()},
        )
    )


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
    return [
        Step(
            kind=row.kind,
            client_id=row.client_id,
            tenant_id=row.tenant_id,
            user_id=row.user_id,
            request_id=row.request_id,
            details=dict(row.details),
            at=row.at,
        )
        for row in reversed(rows)
    ]


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


def _storable(value: Any) -> Any:
    return (
        printable(value, max_characters=_MAX_TEXT_CHARACTERS) if isinstance(value, str) else value
    )
