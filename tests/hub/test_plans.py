"""The plan of a tenant, and what it lets in."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.errors import Conflict, InvalidInput
from hub.fleet.commands import enroll_agents
from hub.fleet.reports import NewAgent
from hub.tenancy.models import Tenant
from hub.tenancy.plans import change_plan


async def enrol(database: Database, tenant: Tenant, count: int) -> None:
    """Enrol so many servers, all of them or none."""
    async with database.transaction(tenant_id=tenant.id) as session:
        agents = [NewAgent(name=f"web-{number}") for number in range(count)]
        await enroll_agents(session, tenant_id=tenant.id, agents=agents)


async def set_plan(database: Database, tenant: Tenant, plan: str, servers: int) -> None:
    """Change the plan as the command line does."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await change_plan(
            session, tenant_id=tenant.id, plan=plan, server_limit=servers, now=utc_now()
        )


async def test_a_raised_limit_lets_the_next_server_in(database: Database, tenant: Tenant) -> None:
    with pytest.raises(Conflict, match="monsys tenant plan"):
        await enrol(database, tenant, 6)
    await set_plan(database, tenant, "team", 6)
    await enrol(database, tenant, 6)
    async with database.transaction(tenant_id=tenant.id) as session:
        [event] = await session.scalars(
            select(AuditRow).where(col(AuditRow.event_type) == "plan_changed")
        )
    assert event.details == {"plan": "team", "server_limit": 6}


async def test_a_lowered_limit_keeps_the_servers_that_are_there(
    database: Database, tenant: Tenant
) -> None:
    await enrol(database, tenant, 3)
    await set_plan(database, tenant, "free", 2)
    await enrol(database, tenant, 3)  # they are known: nothing new is taken in
    with pytest.raises(Conflict, match="covers 2 servers, and 3 are"):
        await enrol(database, tenant, 4)


@pytest.mark.parametrize(
    ("plan", "servers", "field"),
    [("Team!", 5, "plan"), ("", 5, "plan"), ("team", 0, "servers"), ("team", 10**7, "servers")],
)
async def test_what_is_no_plan_is_refused_by_field(
    database: Database, tenant: Tenant, plan: str, servers: int, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await set_plan(database, tenant, plan, servers)
    assert refused.value.field == field
