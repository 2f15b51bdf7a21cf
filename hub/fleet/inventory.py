"""What is installed where."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Select, Text, Uuid, and_, delete, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.fleet.models import AgentPackage, PackageVersion
from hub.fleet.reports import InstalledPackage

AGENT = "agent"  # the source that speaks for the host itself
_IDENTITY = InstalledPackage._fields


async def replace_inventory(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    packages: Iterable[InstalledPackage],
    source: str = AGENT,
) -> None:
    """Set what this source says is installed on the agent to exactly these packages.

    What another source tells of stays: a bill of materials does not wipe out the host's own list.
    Three statements however long the list is. It is sorted, so that two agents that report
    the same new packages at once wait for each other in one order and cannot deadlock.
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
    await _forget(session, agent_id=agent_id, source=source, installed=installed)
    links = postgresql.insert(AgentPackage).from_select(
        ["tenant_id", "agent_id", "package_version_id", "sources"],
        select(tenant, agent, col(PackageVersion.id), literal([source], ARRAY(Text))).join(
            told, same
        ),
        include_defaults=False,
    )
    sources = col(AgentPackage.sources)
    await session.execute(
        links.on_conflict_do_update(
            index_elements=["tenant_id", "agent_id", "package_version_id"],
            set_={"sources": func.array_append(sources, literal(source, Text))},
            where=sources.contains([source]).is_(False),
        )
    )


async def _forget(
    session: AsyncSession, *, agent_id: UUID, source: str, installed: Select[UUID]
) -> None:
    """Take back what the source no longer tells of; what nobody tells of is gone."""
    sources = col(AgentPackage.sources)
    no_longer = (
        col(AgentPackage.agent_id) == agent_id,
        sources.contains([source]),
        col(AgentPackage.package_version_id).not_in(installed),
    )
    alone = func.cardinality(sources) == 1
    gone = delete(AgentPackage).where(*no_longer, alone).returning(col(AgentPackage.agent_id))
    await session.execute(
        update(AgentPackage)
        .where(*no_longer, ~alone)
        .values(sources=func.array_remove(sources, literal(source, Text)))
        .add_cte(gone.cte("gone")),
        execution_options={"synchronize_session": False},
    )
