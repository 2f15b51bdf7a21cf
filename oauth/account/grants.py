"""Connected apps: what people allowed, told and ended app by app.

An app that signs in again gets a grant of its own each time. People think in apps, so grants of the
same client that answer to the same host are one entry here, and end together.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.errors import Forbidden
from hub.principal import Permission, Principal
from hub.tenancy.models import User
from oauth.models import OAuthGrant, OAuthToken, StepKind
from oauth.trace import Step, store_step

MAX_APPS = 200
NOT_YOURS = "Only owners and admins end what others connected."


@dataclass(frozen=True, slots=True)
class ConnectedApp:
    """An app that a person connected, and may still come back."""

    user_id: UUID
    email: str
    client_id: str
    client_name: str
    redirect_host: str
    scope: str
    first_allowed_at: datetime
    last_allowed_at: datetime
    last_used_at: datetime | None

    @property
    def scopes(self) -> list[str]:
        """What any of its grants allows."""
        return sorted(set(self.scope.split()))


async def connected_apps(
    session: AsyncSession, *, user_id: UUID | None = None
) -> list[ConnectedApp]:
    """Return the apps of one person, or of the whole tenant; used last first. Needs `tenant_id`."""
    statement = (
        select(
            col(OAuthGrant.user_id),
            col(User.email),
            col(OAuthGrant.client_id),
            func.max(col(OAuthGrant.client_name)),
            col(OAuthGrant.redirect_host),
            func.string_agg(col(OAuthGrant.scope).distinct(), " "),
            func.min(col(OAuthGrant.created_at)),
            func.max(col(OAuthGrant.created_at)),
            func.max(col(OAuthGrant.last_used_at)),
        )
        .join(User, col(User.id) == col(OAuthGrant.user_id))
        .where(col(OAuthGrant.revoked_at).is_(None))
        .group_by(
            col(OAuthGrant.user_id),
            col(User.email),
            col(OAuthGrant.client_id),
            col(OAuthGrant.redirect_host),
        )
        .order_by(
            func.max(
                func.coalesce(col(OAuthGrant.last_used_at), col(OAuthGrant.created_at))
            ).desc(),
            col(OAuthGrant.user_id),
            col(OAuthGrant.client_id),
            col(OAuthGrant.redirect_host),
        )
        .limit(MAX_APPS)
    )
    if user_id is not None:
        statement = statement.where(col(OAuthGrant.user_id) == user_id)
    rows = await session.execute(statement)
    return [ConnectedApp(*row) for row in rows]


async def revoke_app(
    session: AsyncSession, *, by: Principal, user_id: UUID, client_id: str, redirect_host: str
) -> int:
    """End every grant of the app and every token of them; return how many there were.

    Needs `tenant_id`. In one transaction, so the next call of any token is refused.
    """
    if user_id != by.user_id and not by.may(Permission.TENANT_MANAGE):
        raise Forbidden(NOT_YOURS)
    return await _revoke(
        session, by, user_id=user_id, client_id=client_id, redirect_host=redirect_host
    )


async def revoke_grants_of(session: AsyncSession, *, by: Principal, user_id: UUID) -> int:
    """End everything a person connected in this tenant; of a member who was removed."""
    return await _revoke(session, by, user_id=user_id)


async def _revoke(session: AsyncSession, by: Principal, **named: str | UUID) -> int:
    now = utc_now()
    conditions = [col(getattr(OAuthGrant, name)) == value for name, value in named.items()]
    ended = (
        await session.execute(
            update(OAuthGrant)
            .where(
                col(OAuthGrant.tenant_id) == by.tenant_id,
                col(OAuthGrant.revoked_at).is_(None),
                *conditions,
            )
            .values(revoked_at=now)
            .returning(col(OAuthGrant.id), col(OAuthGrant.client_id), col(OAuthGrant.user_id))
        )
    ).all()
    await session.execute(
        update(OAuthToken)
        .where(
            col(OAuthToken.tenant_id) == by.tenant_id,
            col(OAuthToken.grant_id).in_([row.id for row in ended]),
            col(OAuthToken.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )
    for row in ended:
        step = Step(
            kind=StepKind.REVOKED,
            client_id=row.client_id,
            tenant_id=by.tenant_id,
            user_id=row.user_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            details={"grant_id": str(row.id), "by": "person"},
        )
        await store_step(session, step=step)
    events = [_event(by, grant_id=row.id, client_id=row.client_id) for row in ended]
    await append_events(session, tenant_id=by.tenant_id, events=events)
    return len(ended)


def _event(by: Principal, *, grant_id: UUID, client_id: str) -> AuditEvent:
    return AuditEvent(
        event_type=EventType.OAUTH_GRANT_REVOKED,
        actor=by.label,
        actor_kind=by.kind.value,
        user_id=by.user_id,
        details={"client_id": client_id, "grant_id": str(grant_id), "by": "person"},
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
