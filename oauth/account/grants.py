"""Connected apps: what people allowed, told and ended app by app.

An app that signs in again gets a grant of its own each time. People think in apps, so grants of the
same client that answer to the same host are one entry here, and end together.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.errors import Forbidden
from hub.paging import Page, decode_cursor, encode_cursor
from hub.principal import Permission, Principal
from hub.tenancy.models import User
from oauth.models import OAuthGrant, OAuthToken, StepKind
from oauth.trace import Step, store_step

APPS_A_PAGE = 50
_APPS = "apps"
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
    moved_at: datetime
    key: str  # one of its grants' ids: names may be longer than a link should be

    @property
    def scopes(self) -> list[str]:
        """What any of its grants allows."""
        return sorted(set(self.scope.split()))


@dataclass(frozen=True, slots=True)
class EndedGrant:
    """A grant that was ended just now."""

    id: UUID
    client_id: str
    user_id: UUID


async def own_apps(
    session: AsyncSession, *, user_id: UUID, first: int = APPS_A_PAGE, after: str | None = None
) -> Page[ConnectedApp]:
    """Return the apps of one person, used last first. Needs `tenant_id`."""
    return await _apps(session, col(OAuthGrant.user_id) == user_id, first=first, after=after)


async def apps_of_others(
    session: AsyncSession, *, user_id: UUID, first: int = APPS_A_PAGE, after: str | None = None
) -> Page[ConnectedApp]:
    """Return the apps of everybody else in the tenant, used last first. Needs `tenant_id`."""
    return await _apps(session, col(OAuthGrant.user_id) != user_id, first=first, after=after)


def app_cursor(app: ConnectedApp) -> str:
    """Return where the page after this app begins."""
    return encode_cursor(_APPS, app.moved_at, app.key)


async def _apps(
    session: AsyncSession, whose: ColumnElement[bool], *, first: int, after: str | None
) -> Page[ConnectedApp]:
    """Return a page. One that is used meanwhile moves up: it is never lost, but may come twice."""
    moved_at = func.max(func.coalesce(col(OAuthGrant.last_used_at), col(OAuthGrant.created_at)))
    key = func.min(cast(col(OAuthGrant.id), Text))
    names = (col(OAuthGrant.user_id), col(OAuthGrant.client_id), col(OAuthGrant.redirect_host))
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
            moved_at,
            key,
        )
        .join(User, col(User.id) == col(OAuthGrant.user_id))
        .where(whose, col(OAuthGrant.revoked_at).is_(None))
        .group_by(*names, col(User.email))
        .order_by(moved_at.desc(), key)
        .limit(first + 1)
    )
    if after is not None:
        at, last = decode_cursor(_APPS, after, datetime, str)
        statement = statement.having(or_(moved_at < at, and_(moved_at == at, key > last)))
    rows = await session.execute(statement)
    return Page.of([ConnectedApp(*row) for row in rows], first=first)


async def revoke_app(
    session: AsyncSession, *, by: Principal, user_id: UUID, client_id: str, redirect_host: str
) -> int:
    """End every grant of the app and every token of them; return how many there were.

    Needs `tenant_id`. In one transaction, so the next call of any token is refused.
    """
    if user_id != by.user_id and not by.may(Permission.TENANT_MANAGE):
        raise Forbidden(NOT_YOURS)
    ended = await _end(
        session, by, user_id=user_id, client_id=client_id, redirect_host=redirect_host
    )
    await record_ended(session, by=by, ended=ended)
    return len(ended)


async def end_grants_of(session: AsyncSession, *, by: Principal, user_id: UUID) -> list[EndedGrant]:
    """End everything a person connected in this tenant, for `record_ended` to write down.

    Comes first where other rows of the tenant are written, too: an app that refreshes or gives up
    its token at this moment holds these rows and waits for the audit trail, never the reverse.
    """
    return await _end(session, by, user_id=user_id)


async def record_ended(session: AsyncSession, *, by: Principal, ended: list[EndedGrant]) -> None:
    """Write down which grants a person ended: as steps, and in the tenant's trail."""
    for grant in ended:
        step = Step(
            kind=StepKind.REVOKED,
            client_id=grant.client_id,
            tenant_id=by.tenant_id,
            user_id=grant.user_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            details={"grant_id": str(grant.id), "by": "person"},
        )
        await store_step(session, step=step)
    events = [_event(by, grant_id=grant.id, client_id=grant.client_id) for grant in ended]
    await append_events(session, tenant_id=by.tenant_id, events=events)


async def _end(session: AsyncSession, by: Principal, **named: str | UUID) -> list[EndedGrant]:
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
    grants = [EndedGrant(*row) for row in ended]
    await session.execute(
        update(OAuthToken)
        .where(
            col(OAuthToken.tenant_id) == by.tenant_id,
            col(OAuthToken.grant_id).in_([grant.id for grant in grants]),
            col(OAuthToken.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )
    return grants


def _event(by: Principal, *, grant_id: UUID, client_id: str) -> AuditEvent:
    return AuditEvent(
        event_type=EventType.OAUTH_GRANT_REVOKED,
        actor=by.label,
        actor_kind=by.kind.value,
        user_id=by.user_id,
        details={"client_id": client_id, "grant_id": str(grant_id), "by": "person"},
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
