"""Bills of materials: what another tool found on a host, beside what its agent reports.

Each bill is a source of its own (an image, an application). It replaces what was sent for the same
subject before, and leaves the host's package list and other bills alone.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.inventory import replace_inventory
from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.bill_models import SoftwareBill
from hub.vulnerabilities.fanout import Hosts, fan_out
from hub.vulnerabilities.inventory import inventory_digest, match_fresh_versions
from hub.vulnerabilities.packages import with_source_epochs


async def take_bill(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    subject: str,
    packages: Iterable[InstalledPackage],
    now: datetime,
) -> bool:
    """Set what this bill says is on the host; tell whether that changed anything."""
    installed = sorted(set(with_source_epochs(packages)))
    digest = inventory_digest(installed, "")
    known = await session.scalar(
        select(col(SoftwareBill.digest))
        .where(col(SoftwareBill.agent_id) == agent_id, col(SoftwareBill.subject) == subject)
        .with_for_update()
    )
    told = {"digest": digest, "packages": len(installed), "reported_at": now}
    await session.execute(
        postgresql.insert(SoftwareBill)
        .values(tenant_id=tenant_id, agent_id=agent_id, subject=subject, **told)
        .on_conflict_do_update(index_elements=["tenant_id", "agent_id", "subject"], set_=told)
    )
    if known == digest:
        return False
    await replace_inventory(
        session,
        tenant_id=tenant_id,
        agent_id=agent_id,
        packages=installed,
        source=f"bill:{subject}",
    )
    await match_fresh_versions(session, tenant_id=tenant_id)
    await fan_out(session, tenant_id=tenant_id, hosts=Hosts(agents=[agent_id]), at=now)
    return True
