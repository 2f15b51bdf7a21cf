"""Enrolment tokens from the command line."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from hub.cli.connection import in_database
from hub.cli.tenants import the_tenant
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.enrolling import create_enrolment_token
from hub.fleet.enrolment_tokens import DEFAULT_LIFETIME
from hub.principal import Principal, PrincipalKind
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
    by = Principal(
        kind=PrincipalKind.SYSTEM,
        tenant_id=tenant_id,
        user_id=None,
        label=SYSTEM_ACTOR,
        permissions=frozenset(),
    )
    async with database.transaction(tenant_id=tenant_id) as session:
        issued = await create_enrolment_token(
            session, by=by, now=utc_now(), name=name, tags=tags, lifetime=lifetime
        )
    return issued.token
