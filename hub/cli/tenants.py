"""Tenants as people name them on the command line."""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.cli.failures import CommandError
from hub.database import Database
from hub.tenancy.models import Tenant

_EVERY_TENANT = "*"  # what row-level security calls all of them


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A tenant that exists."""

    id: UUID
    slug: str
    name: str


def slug_of(name: str) -> str:
    """Return a tenant's short name: that of `Northwind Logistics` is `northwind-logistics`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].rstrip("-")
    if not slug:
        raise CommandError("--tenant needs letters or digits, such as --tenant example.")
    return slug


async def find_tenant(database: Database, name: str) -> KnownTenant | None:
    """Return the tenant of this name or short name."""
    async with database.transaction(presented=_EVERY_TENANT) as session:
        for tenant in await _tenants(session):
            if tenant.slug == slug_of(name) or tenant.name.casefold() == name.casefold():
                return tenant
    return None


async def the_tenant(database: Database, name: str | None) -> KnownTenant:
    """Return the named tenant, or the only one there is."""
    if name is not None:
        found = await find_tenant(database, name)
        if found is None:
            raise CommandError("There is no such tenant. `monsys tenant list` shows them all.")
        return found
    known = await all_tenants(database)
    if len(known) != 1:
        raise CommandError(
            "Say which tenant with --tenant; `monsys tenant list` shows them all."
            if known
            else "There is no tenant yet. Make one with `monsys user add EMAIL --tenant NAME`."
        )
    return known[0]


async def all_tenants(database: Database) -> list[KnownTenant]:
    """Return every tenant, by short name."""
    async with database.transaction(presented=_EVERY_TENANT) as session:
        return await _tenants(session)


async def _tenants(session: AsyncSession) -> list[KnownTenant]:
    statement = select(col(Tenant.id), col(Tenant.slug), col(Tenant.name)).order_by(
        col(Tenant.slug)
    )
    return [KnownTenant(*row) for row in await session.execute(statement)]
