"""What is installed where."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, delete, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.fleet.models import AgentPackage, PackageVersion
from hub.fleet.reports import InstalledPackage

_IDENTITY = InstalledPackage._fields


async def replace_inventory(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    packages: Iterable[InstalledPackage],
) -> None:
    """Set what is installed on the agent to exactly these packages.

    Three statements however long the list is. It is sorted, so that two agents that report the
    same new packages at once wait for each other in one order and cannot deadlock.
    """
    told = array_rows("told", dict.fromkeys(_IDENTITY, Text()), sorted(set(packages)))
    tenant, agent = literal(tenant_id, Uuid), literal(agent_id, Uuid)
    versions = postgresql.insert(PackageVersion).from_select(
        ["tenant_id", "id", *_IDENTITY],
        select(tenant, func.gen_random_uuid(), *told.c),
        include_defaults=False,
    )
    await session.execute(versions.on_conflict_do_nothing())
    same = and_(*(getattr(PackageVersion, name) == told.c[name] for name in _IDENTITY))
    installed = select(col(PackageVersion.id)).join(told, same)
    gone = delete(AgentPackage).where(
        col(AgentPackage.agent_id) == agent_id,
        col(AgentPackage.package_version_id).not_in(installed),
    )
    await session.execute(gone, execution_options={"synchronize_session": False})
    links = postgresql.insert(AgentPackage).from_select(
        ["tenant_id", "agent_id", "package_version_id"],
        select(tenant, agent, col(PackageVersion.id)).join(told, same),
        include_defaults=False,
    )
    await session.execute(links.on_conflict_do_nothing())
