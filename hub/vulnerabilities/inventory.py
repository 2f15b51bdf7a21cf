"""A host reports what is installed: stored, matched and turned into findings.

The same again is recognised by a digest, and costs two small writes.
"""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.fleet.array_rows import array_rows
from hub.fleet.inventory import AGENT, replace_inventory
from hub.fleet.models import Agent, AgentPackage, PackageVersion
from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.fanout import Hosts, fan_out
from hub.vulnerabilities.kernel import is_kernel, kernel_name, kernels_of
from hub.vulnerabilities.matching import Scope, match
from hub.vulnerabilities.matching_models import AgentInventory
from hub.vulnerabilities.models import Finding, FindingState
from hub.vulnerabilities.packages import with_source_epochs
from hub.vulnerabilities.subjects import name_subjects

_IDENTITY = InstalledPackage._fields


async def take_inventory(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    packages: Iterable[InstalledPackage],
    at: datetime | None = None,
) -> bool:
    """Set what is installed on the agent; tell whether anything changed.

    When nothing did, its findings are merely seen again.
    """
    now, installed = at or utc_now(), sorted(set(with_source_epochs(packages)))
    release = await _kernel_release(session, agent_id)
    digest = inventory_digest(installed, release)
    if await _is_known(session, agent_id, digest, now):
        await _see_again(session, agent_id, now)
        return False
    await replace_inventory(session, tenant_id=tenant_id, agent_id=agent_id, packages=installed)
    await _note(
        session, tenant_id=tenant_id, agent_id=agent_id, digest=digest, release=release, now=now
    )
    await _set_kernels(session, tenant_id, agent_id, release, installed)
    await match_fresh_versions(session, tenant_id=tenant_id)
    await _see_again(session, agent_id, now)
    await fan_out(session, tenant_id=tenant_id, hosts=Hosts(agents=[agent_id]), at=now)
    return True


async def follow_running_kernel(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, at: datetime | None = None
) -> bool:
    """After a report without packages: a reboot may have started another kernel."""
    is_another = await session.scalar(
        select(col(AgentInventory.kernel_release) != col(Agent.kernel_release))
        .join(
            Agent,
            (col(Agent.tenant_id) == col(AgentInventory.tenant_id))
            & (col(Agent.id) == col(AgentInventory.agent_id)),
        )
        .where(col(AgentInventory.agent_id) == agent_id)
    )
    if not is_another:
        return False
    packages = await _installed(session, agent_id)
    return await take_inventory(
        session, tenant_id=tenant_id, agent_id=agent_id, packages=packages, at=at
    )


async def match_fresh_versions(session: AsyncSession, *, tenant_id: UUID) -> None:
    """Match the package versions that nobody had before."""
    while fresh := await name_subjects(session, tenant_id=tenant_id):
        await match(session, tenant_id=tenant_id, scope=Scope(versions=fresh))


def inventory_digest(packages: Collection[InstalledPackage], kernel_release: str) -> str:
    """Return what is the same for the same packages and the same running kernel."""
    digest = hashlib.sha256(kernel_release.encode())
    for package in packages:
        digest.update("\x00".join(("\x01", *package)).encode())
    return digest.hexdigest()


async def _kernel_release(session: AsyncSession, agent_id: UUID) -> str:
    release = await session.scalar(
        select(col(Agent.kernel_release)).where(col(Agent.id) == agent_id)
    )
    return release or ""


async def _is_known(session: AsyncSession, agent_id: UUID, digest: str, now: datetime) -> bool:
    found = await session.scalar(
        update(AgentInventory)
        .values(reported_at=now)
        .where(col(AgentInventory.agent_id) == agent_id, col(AgentInventory.digest) == digest)
        .returning(col(AgentInventory.agent_id)),
        execution_options={"synchronize_session": False},
    )
    return found is not None


async def _see_again(session: AsyncSession, agent_id: UUID, now: datetime) -> None:
    await session.execute(
        update(Finding)
        .values(last_seen_at=now)
        .where(
            col(Finding.agent_id) == agent_id,
            col(Finding.state) != FindingState.FIXED,
            col(Finding.last_seen_at) < now,
        ),
        execution_options={"synchronize_session": False},
    )


async def _note(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    digest: str,
    release: str,
    now: datetime,
) -> None:
    told = {"digest": digest, "kernel_release": release, "reported_at": now}
    await session.execute(
        postgresql.insert(AgentInventory)
        .values(tenant_id=tenant_id, agent_id=agent_id, **told)
        .on_conflict_do_update(index_elements=["tenant_id", "agent_id"], set_=told)
    )


async def _set_kernels(
    session: AsyncSession,
    tenant_id: UUID,
    agent_id: UUID,
    release: str,
    installed: Collection[InstalledPackage],
) -> None:
    """Note which package version runs, and which a reboot would start."""
    kernels = kernels_of(release, (package for package in installed if is_kernel(package)))
    both = [kernel for kernel in (kernels.running, kernels.newest) if kernel is not None]
    ids = await _version_ids(session, tenant_id, sorted(set(both)))
    running, newest = kernels.running, kernels.newest
    await session.execute(
        update(AgentInventory)
        .values(
            kernel_name=kernel_name(running) if running else "",
            running_kernel_id=ids.get(running) if running else None,
            newest_kernel_id=ids.get(newest or running) if running else None,
        )
        .where(col(AgentInventory.agent_id) == agent_id),
        execution_options={"synchronize_session": False},
    )


async def _version_ids(
    session: AsyncSession, tenant_id: UUID, packages: Collection[InstalledPackage]
) -> dict[InstalledPackage | None, UUID]:
    """Return the ids of these package versions, which are stored if they are not.

    A kernel may run whose package was replaced on disk, or that never came in a package.
    """
    if not packages:
        return {}
    told = array_rows("told", dict.fromkeys(_IDENTITY, Text()), packages)
    insert = postgresql.insert(PackageVersion).from_select(
        ["tenant_id", "id", *_IDENTITY],
        select(literal(tenant_id, Uuid), func.gen_random_uuid(), *told.c),
        include_defaults=False,
    )
    await session.execute(insert.on_conflict_do_nothing())
    columns = [col(getattr(PackageVersion, name)) for name in _IDENTITY]
    same = and_(*(column == told.c[name] for column, name in zip(columns, _IDENTITY, strict=True)))
    rows = await session.execute(select(*columns, col(PackageVersion.id)).join(told, same))
    return {InstalledPackage(*row[:-1]): row[-1] for row in rows}


async def _installed(session: AsyncSession, agent_id: UUID) -> list[InstalledPackage]:
    rows = await session.execute(
        select(*(col(getattr(PackageVersion, name)) for name in _IDENTITY))
        .join(
            AgentPackage,
            (col(AgentPackage.tenant_id) == col(PackageVersion.tenant_id))
            & (col(AgentPackage.package_version_id) == col(PackageVersion.id)),
        )
        .where(col(AgentPackage.agent_id) == agent_id, col(AgentPackage.sources).contains([AGENT]))
    )
    return [InstalledPackage(*row) for row in rows]
