"""Enrolment tokens from the command line."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.cli.connection import in_database
from hub.cli.tenants import the_tenant
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.enrolment_tokens import DEFAULT_LIFETIME, issue_enrolment_token
from hub.principal import PrincipalKind
from hub.tenancy.commands import SYSTEM_ACTOR


def make_token(
    name: str | None,
    *,
    tenant: str | None,
    tags: Sequence[str],
    minutes: int,
    data_dir: Path | None,
) -> str:
    """Make a token for one machine of the named tenant, and return it."""

    async def work(database: Database) -> str:
        known = await the_tenant(database, tenant)
        return await token_for(
            database,
            tenant_id=known.id,
            name=name,
            tags=tags,
            lifetime=timedelta(minutes=minutes),
        )

    return in_database(work, data_dir=data_dir)


async def token_for(
    database: Database,
    *,
    tenant_id: UUID,
    name: str | None,
    tags: Sequence[str],
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> str:
    """Make a token. The audit trail keeps that it was made, and never the token."""
    now = utc_now()
    async with database.transaction(tenant_id=tenant_id) as session:
        issued = await issue_enrolment_token(
            session,
            tenant_id=tenant_id,
            made_by=SYSTEM_ACTOR,
            now=now,
            name=name,
            tags=tags,
            lifetime=lifetime,
        )
        event = AuditEvent(
            event_type=EventType.ENROLMENT_TOKEN_MADE,
            actor=SYSTEM_ACTOR,
            actor_kind=PrincipalKind.SYSTEM.value,
            details={"agent": name, "token": issued.id[:12]},
        )
        await append_events(session, tenant_id=tenant_id, events=[event], at=now)
    return issued.token
