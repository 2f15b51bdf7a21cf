"""What commands of service levels may name: things of their own tenant, and nothing else's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from hub.database import Database
from hub.errors import NotFound
from hub.principal import Role
from hub.sla.commands import create_target
from hub.sla.maintenance import declare_maintenance, withdraw_maintenance
from hub.sla.models import SlaIndicator, SlaMaintenance
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


async def declare(database: Database, tenant: Tenant, target_id: UUID | None) -> UUID:
    async with database.transaction(tenant_id=tenant.id) as session:
        declared = await declare_maintenance(
            session,
            principal=person(tenant, role=Role.OWNER),
            target_id=target_id,
            starts_at=NOW,
            ends_at=NOW + timedelta(hours=1),
            reason="Upgrade",
            now=NOW,
        )
    return declared.id


async def test_maintenance_of_another_tenant_s_target_cannot_be_declared_or_withdrawn(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=other_tenant.id) as session:
        theirs = await create_target(
            session,
            tenant_id=other_tenant.id,
            name="Shop",
            indicator=SlaIndicator.CUSTOM,
            objective=0.99,
        )
    their_maintenance = await declare(database, other_tenant, theirs.id)
    for target_id in (theirs.id, uuid4()):
        with pytest.raises(NotFound, match="No service-level target"):
            await declare(database, tenant, target_id)
    async with database.transaction(tenant_id=tenant.id) as session:
        with pytest.raises(NotFound, match="No maintenance"):
            await withdraw_maintenance(
                session,
                principal=person(tenant, role=Role.OWNER),
                maintenance_id=their_maintenance,
                now=NOW,
            )
    async with database.transaction(tenant_id=other_tenant.id) as session:
        stored = (await session.scalars(select(col(SlaMaintenance.id)))).all()
    assert stored == [their_maintenance]


async def test_a_target_cannot_be_about_another_tenant_s_host(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    theirs = await make_agent(database, other_tenant)
    with pytest.raises(IntegrityError):
        async with database.transaction(tenant_id=tenant.id) as session:
            await create_target(
                session,
                tenant_id=tenant.id,
                name="Up",
                indicator=SlaIndicator.AGENT_UP,
                objective=0.99,
                agent_id=theirs.id,
                is_watched=True,
            )
