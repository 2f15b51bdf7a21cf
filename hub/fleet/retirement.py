"""A server is retired: its key is trusted no more, its place in the plan is free, its past stays.

It counts nowhere any more: its open alerts are resolved, and what was installed on it is forgotten,
which ends its open vulnerabilities. Enrolling the machine again brings the same server back.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.commands import resolve_alerts_of_agent
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.fleet.agent_keys import retire_keys
from hub.fleet.models import Agent
from hub.principal import Principal, PrincipalKind
from hub.vulnerabilities.inventory import take_inventory


async def retire_agent(
    session: AsyncSession,
    *,
    principal: Principal,
    agent_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> bool:
    """Retire a server in a person's name; False when it was retired before."""
    name = await _retire(session, tenant_id=principal.tenant_id, agent_id=agent_id, now=now)
    if name is not None:
        event = AuditEvent.by(
            principal,
            EventType.AGENT_RETIRED,
            details={"agent": name},
            request_id=request_id,
        )
        await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return name is not None


async def retire_itself(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, now: datetime
) -> None:
    """Retire a server because its own agent asked, by a signed request."""
    name = await _retire(session, tenant_id=tenant_id, agent_id=agent_id, now=now)
    if name is not None:
        event = AuditEvent(
            event_type=EventType.AGENT_RETIRED,
            actor=name,
            actor_kind=PrincipalKind.AGENT.value,
            details={"agent": name},
        )
        await append_events(session, tenant_id=tenant_id, events=[event], at=now)


async def _retire(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, now: datetime
) -> str | None:
    """Return the server's name if it was in service until now."""
    await retire_keys(session, agent_id=agent_id, now=now)
    name: str | None = await session.scalar(
        update(Agent)
        .where(col(Agent.id) == agent_id, col(Agent.retired_at).is_(None))
        .values(retired_at=now)
        .returning(col(Agent.name)),
        execution_options={"synchronize_session": False},
    )
    if name is not None:
        await resolve_alerts_of_agent(session, tenant_id=tenant_id, agent_id=agent_id, at=now)
        await take_inventory(session, tenant_id=tenant_id, agent_id=agent_id, packages=(), at=now)
    return name
