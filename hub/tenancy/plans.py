"""The plan of a tenant: what it is called, and how many servers it covers."""

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import InvalidInput, NotFound
from hub.principal import PrincipalKind
from hub.tenancy.commands import SYSTEM_ACTOR
from hub.tenancy.models import Tenant

MAX_SERVERS = 1_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


async def change_plan(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    plan: str,
    server_limit: int,
    now: datetime,
    actor: str = SYSTEM_ACTOR,
) -> None:
    """Set how many servers a tenant may have. Servers beyond a lower limit keep reporting."""
    if not _NAME.fullmatch(plan):
        raise InvalidInput("`plan` must be 1 to 32 of a to z, 0 to 9 and hyphens.", field="plan")
    if not 1 <= server_limit <= MAX_SERVERS:
        raise InvalidInput(f"`servers` must be 1 to {MAX_SERVERS:,}.", field="servers")
    changed = await session.scalar(
        update(Tenant)
        .where(col(Tenant.id) == tenant_id)
        .values(plan=plan, server_limit=server_limit)
        .returning(col(Tenant.id)),
        execution_options={"synchronize_session": False},
    )
    if changed is None:
        raise NotFound("There is no such tenant.", field="tenant")
    event = AuditEvent(
        event_type=EventType.PLAN_CHANGED,
        actor=actor,
        actor_kind=PrincipalKind.SYSTEM.value,
        details={"plan": plan, "server_limit": server_limit},
    )
    await append_events(session, tenant_id=tenant_id, events=[event], at=now)
