"""Writes of tenants, their people and their sign-ins; each appends its event to the audit trail.

A command that makes a tenant or a person enters it (`hub.database.enter`): from then on the
transaction sees that tenant. Callers need no transaction opened in any particular way for those.
"""

import re
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.templates import DEFAULTS, install_templates
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.database import enter
from hub.errors import Conflict, InvalidInput
from hub.principal import PrincipalKind, Role
from hub.tenancy.models import Membership, Tenant, User

SYSTEM_ACTOR = "monsys"
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")


def normal_email(email: str) -> str:
    """Return the address as accounts are keyed by it, or say that it is none."""
    cleaned = email.strip().lower()
    if not _EMAIL.fullmatch(cleaned):
        raise InvalidInput("`email` must be an address such as ada@example.com.", field="email")
    return cleaned


async def create_tenant(
    session: AsyncSession,
    *,
    name: str,
    slug: str,
    tenant_id: UUID | None = None,
    plan: str = "free",
    server_limit: int = 5,
    claude_may_read: bool = False,
    claude_may_acknowledge: bool = False,
    has_default_rules: bool = True,
    actor: str = SYSTEM_ACTOR,
    request_id: str | None = None,
    at: datetime | None = None,
) -> Tenant:
    """Make a tenant and enter it. The connector is off unless said otherwise.

    It is warned of the usual troubles from its first host on, unless its rules are told elsewhere.
    """
    if not _SLUG.fullmatch(slug):
        raise InvalidInput(
            "`slug` must be 1 to 63 of a to z, 0 to 9 and hyphens, and start and end with a letter"
            " or digit.",
            field="slug",
        )
    tenant = Tenant(
        id=tenant_id or uuid4(),
        name=name,
        slug=slug,
        plan=plan,
        server_limit=server_limit,
        claude_may_read=claude_may_read,
        claude_may_acknowledge=claude_may_acknowledge,
        created_at=at or utc_now(),
    )
    await enter(session, tenant_id=tenant.id)
    made = await session.scalar(
        postgresql.insert(Tenant)
        .values(**tenant.model_dump())
        .on_conflict_do_nothing()
        .returning(col(Tenant.id))
    )
    if made is None:
        raise Conflict("`slug` is taken by another tenant; choose another.", field="slug")
    if has_default_rules:
        await install_templates(session, tenant_id=tenant.id, keys=DEFAULTS, actor=actor, at=at)
    event = AuditEvent(
        event_type=EventType.TENANT_CREATED,
        actor=actor,
        actor_kind=PrincipalKind.SYSTEM.value,
        details={"slug": slug, "plan": plan},
        request_id=request_id,
    )
    await append_events(session, tenant_id=tenant.id, events=[event], at=at)
    return tenant


async def create_user(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    email: str,
    password_hash: str,
    role: Role,
    name: str = "",
    user_id: UUID | None = None,
    totp_secret_sealed: bytes | None = None,
    actor: str = SYSTEM_ACTOR,
    request_id: str | None = None,
    at: datetime | None = None,
) -> User:
    """Make an account that is a member of the tenant, and enter that tenant as this person."""
    user = User(
        id=user_id or uuid4(),
        email=normal_email(email),
        name=name,
        password_hash=password_hash,
        totp_secret_sealed=totp_secret_sealed,
        created_at=at or utc_now(),
    )
    await enter(session, tenant_id=tenant_id, user_id=user.id)
    made = await session.scalar(
        postgresql.insert(User)
        .values(**user.model_dump())
        .on_conflict_do_nothing()
        .returning(col(User.id))
    )
    if made is None:
        raise Conflict("`email` has an account already; add it as a member instead.", field="email")
    await add_member(
        session,
        tenant_id=tenant_id,
        user_id=user.id,
        email=user.email,
        role=role,
        actor=actor,
        request_id=request_id,
        at=at,
    )
    return user


async def add_member(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    user_id: UUID,
    email: str,
    role: Role,
    actor: str = SYSTEM_ACTOR,
    request_id: str | None = None,
    at: datetime | None = None,
) -> None:
    """Make a person a member of the tenant, and enter that tenant."""
    await enter(session, tenant_id=tenant_id, user_id=user_id)
    made = await session.scalar(
        postgresql.insert(Membership)
        .values(tenant_id=tenant_id, user_id=user_id, role=role, created_at=at or utc_now())
        .on_conflict_do_nothing()
        .returning(col(Membership.user_id))
    )
    if made is None:
        raise Conflict("`user_id` is a member of this tenant already.", field="user_id")
    event = AuditEvent(
        event_type=EventType.USER_ADDED,
        actor=actor,
        actor_kind=PrincipalKind.SYSTEM.value,
        details={"email": email, "role": role.value},
        request_id=request_id,
    )
    await append_events(session, tenant_id=tenant_id, events=[event], at=at)


async def open_connector(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    claude_may_read: bool,
    claude_may_acknowledge: bool,
    actor: str,
    user_id: UUID,
    request_id: str | None = None,
) -> bool:
    """Turn on those of the connector's switches that are named. Closes none. Needs `tenant_id`.

    False, and nothing is turned on, where the tenant is under strict residency by now: that is
    opened in its settings only, with a one-time code.
    """
    switches = {
        "claude_may_read": claude_may_read,
        "claude_may_acknowledge": claude_may_acknowledge,
    }
    changes = {name: True for name, is_named in switches.items() if is_named}
    if not changes:
        return True
    opened = await session.scalar(
        update(Tenant)
        .where(col(Tenant.id) == tenant_id, col(Tenant.strict_residency).is_(False))
        .values(**changes)
        .returning(col(Tenant.id))
    )
    if opened is None:
        return False
    event = AuditEvent(
        event_type=EventType.CONNECTOR_SETTINGS_CHANGED,
        actor=actor,
        actor_kind=PrincipalKind.SESSION.value,
        user_id=user_id,
        details={**changes},
        request_id=request_id,
    )
    await append_events(session, tenant_id=tenant_id, events=[event])
    return True
