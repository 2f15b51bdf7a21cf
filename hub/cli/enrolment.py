"""Enrolling a host from the command line."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.cli.connection import in_database
from hub.cli.tenants import the_tenant
from hub.database import Database
from hub.fleet.commands import enroll_agent, issue_agent_credential
from hub.fleet.reports import HostIdentity
from hub.principal import PrincipalKind
from hub.tenancy.commands import SYSTEM_ACTOR


def enrol(name: str, *, tenant: str | None, tags: Sequence[str], data_dir: Path | None) -> str:
    """Make the host known in the named tenant, and return a new credential for it."""

    async def work(database: Database) -> str:
        known = await the_tenant(database, tenant)
        return await enrol_host(database, tenant_id=known.id, name=name, tags=tags)

    return in_database(work, data_dir=data_dir)


async def enrol_host(database: Database, *, tenant_id: UUID, name: str, tags: Sequence[str]) -> str:
    """Make the host known, and return a new credential for it. The audit trail keeps who did."""
    identity = HostIdentity(tags=tags) if tags else HostIdentity()
    event = AuditEvent(
        event_type=EventType.AGENT_ENROLLED,
        actor=SYSTEM_ACTOR,
        actor_kind=PrincipalKind.SYSTEM.value,
        details={"agent": name},
    )
    async with database.transaction(tenant_id=tenant_id) as session:
        agent = await enroll_agent(session, tenant_id=tenant_id, name=name, identity=identity)
        credential = await issue_agent_credential(session, tenant_id=tenant_id, agent_id=agent.id)
        await append_events(session, tenant_id=tenant_id, events=[event])
    return credential
