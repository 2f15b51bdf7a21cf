"""Advisories changed: what they name in each tenant's fleet is matched again, and nothing else."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.array_rows import array_rows
from hub.tenancy.models import Tenant
from hub.vulnerabilities.fanout import Hosts, fan_out
from hub.vulnerabilities.inventory import match_fresh_versions
from hub.vulnerabilities.matching import Scope, match
from hub.vulnerabilities.models import Finding

EVERYBODY = "*"


async def tenant_ids(database: Database) -> list[UUID]:
    """Return all tenants; each one's work then runs inside that tenant."""
    async with database.transaction(presented=EVERYBODY) as session:
        return list(await session.scalars(select(col(Tenant.id)).order_by(col(Tenant.id))))


async def rematch_everywhere(
    database: Database, *, moved: Mapping[str, str], at: datetime | None = None
) -> int:
    """Match these groups in every tenant; return how many findings changed."""
    if not moved:
        return 0
    changed = 0
    for tenant_id in await tenant_ids(database):
        async with database.transaction(tenant_id=tenant_id) as session:
            changed += await rematch(session, tenant_id=tenant_id, moved=moved, at=at)
    return changed


async def rematch(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    moved: Mapping[str, str],
    at: datetime | None = None,
) -> int:
    """Match these groups in one tenant; return how many findings changed.

    A finding moves along with its group: it is known since it was first seen, whatever its
    vulnerability is called.
    """
    groups = {*moved, *moved.values()}
    await _carry_over(session, moved)
    await match(session, tenant_id=tenant_id, scope=Scope(groups=groups))
    return await fan_out(
        session, tenant_id=tenant_id, hosts=Hosts(groups=groups), at=at or utc_now()
    )


async def match_all(session: AsyncSession, *, tenant_id: UUID, at: datetime | None = None) -> int:
    """Match everything that a tenant has; return how many findings changed."""
    await match_fresh_versions(session, tenant_id=tenant_id)
    await match(session, tenant_id=tenant_id, scope=Scope())
    return await fan_out(session, tenant_id=tenant_id, hosts=Hosts(), at=at or utc_now())


async def _carry_over(session: AsyncSession, moved: Mapping[str, str]) -> None:
    renamed = sorted((old, new) for old, new in moved.items() if old != new)
    if not renamed:
        return
    told = array_rows("told", {"old": Text(), "new": Text()}, renamed)
    table = Finding.__table__  # type: ignore[attr-defined]
    taken = table.alias("taken")
    is_taken = (
        select(literal(1))
        .where(
            taken.c.tenant_id == table.c.tenant_id,
            taken.c.agent_id == table.c.agent_id,
            taken.c.package_name == table.c.package_name,
            taken.c.advisory_id == told.c.new,
        )
        .exists()
    )
    # Of several old names that become one, only one finding can be carried over.
    first = (
        select(func.min(taken.c.id.cast(Text)))
        .select_from(taken)
        .join(told, told.c.old == taken.c.advisory_id)
        .group_by(taken.c.agent_id, taken.c.package_name, told.c.new)
    )
    await session.execute(
        update(table)
        .values(advisory_id=told.c.new)
        .where(table.c.advisory_id == told.c.old, ~is_taken, table.c.id.cast(Text).in_(first))
    )
