"""A small scene: records as feeds publish them, hosts with packages, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlmodel import col, select

from hub.database import Database
from hub.fleet.models import Agent
from hub.fleet.reports import InstalledPackage
from hub.tenancy.models import Tenant
from hub.vulnerabilities.intake import take_in
from hub.vulnerabilities.inventory import take_inventory
from hub.vulnerabilities.matching_models import UndecidedMatch
from hub.vulnerabilities.models import OSV_FEED, Finding, FindingState
from hub.vulnerabilities.records import Document, read_record
from hub.vulnerabilities.rematching import rematch
from tests.factories import make_agent

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fresh(prefix: str = "pkg") -> str:
    """Return a name nobody has: advisories are shared by all tests of a database."""
    return f"{prefix}-{uuid4().hex[:10]}"


def fixed_in(version: str, *, introduced: str = "0", kind: str = "ECOSYSTEM") -> dict[str, Any]:
    """Return a range that a version fixes."""
    return {"type": kind, "events": [{"introduced": introduced}, {"fixed": version}]}


def record(ecosystem: str, name: str, *ranges: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an OSV record about one package."""
    block = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": list(ranges)}
    block |= fields.pop("block", {})
    return {
        "id": fresh("TEST"),
        "modified": MONDAY.isoformat(),
        "affected": [block],
    } | fields


@dataclass
class Scene:
    """One tenant, and what happens in it."""

    database: Database
    tenant: Tenant
    agents: dict[str, Agent] = field(default_factory=dict)

    async def publish(self, *records: dict[str, Any]) -> None:
        """Let a feed bring records."""
        documents = [read_record(data, name="test") for data in records]
        await self.publish_documents(OSV_FEED, documents)

    async def publish_documents(self, feed: str, documents: Sequence[Document]) -> None:
        """Let a feed bring documents, and match what they name."""
        async with self.database.transaction(presented="*") as session:
            moved = await take_in(session, feed=feed, documents=documents)
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            await rematch(session, tenant_id=self.tenant.id, moved=moved, at=MONDAY)

    async def host(
        self,
        name: str,
        *packages: tuple[str, ...],
        kernel: str | None = None,
        at: datetime = MONDAY,
    ) -> bool:
        """Let a host report what is installed; tell whether that was news."""
        if name not in self.agents:
            self.agents[name] = await make_agent(self.database, self.tenant, name=name)
        agent_id = self.agents[name].id
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            if kernel is not None:
                await session.execute(
                    update(Agent)
                    .where(col(Agent.id) == agent_id)
                    .values(kernel_release=kernel)
                    .execution_options(synchronize_session=False)
                )
            return await take_inventory(
                session,
                tenant_id=self.tenant.id,
                agent_id=agent_id,
                packages=[InstalledPackage(*package) for package in packages],
                at=at,
            )

    async def findings(self) -> list[Finding]:
        """Return all findings of the tenant."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            order = (col(Finding.advisory_id), col(Finding.package_name))
            return list(await session.scalars(select(Finding).order_by(*order)))

    async def unfixed(self) -> list[str]:
        """Return the ids of the advisories that are open, sorted."""
        open_states = {FindingState.OPEN, FindingState.REBOOT_PENDING}
        return sorted(f.advisory_id for f in await self.findings() if f.state in open_states)

    async def undecided(self) -> list[tuple[str, str]]:
        """Return what is undecided, with the reason."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            rows = await session.scalars(select(UndecidedMatch))
            return sorted((row.advisory_id, row.reason) for row in rows)

    def agent_id(self, name: str) -> UUID:
        """Return the id of a host."""
        return self.agents[name].id
