"""Enrolling a host from the command line."""

from collections.abc import Sequence
from pathlib import Path

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
    """Make the host known, and return a new credential for it."""

    async def work(database: Database) -> str:
        known = await the_tenant(database, tenant)
        async with database.transaction(tenant_id=known.id) as session:
            identity = HostIdentity(tags=tags) if tags else HostIdentity()
            agent = await enroll_agent(session, tenant_id=known.id, name=name, identity=identity)
            credential = await issue_agent_credential(
                session, tenant_id=known.id, agent_id=agent.id
            )
            event = AuditEvent(
                event_type=EventType.AGENT_ENROLLED,
                actor=SYSTEM_ACTOR,
                actor_kind=PrincipalKind.SYSTEM.value,
                details={"agent": name},
            )
            await append_events(session, tenant_id=known.id, events=[event])
        return credential

    return in_database(work, data_dir=data_dir)
