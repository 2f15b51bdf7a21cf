"""A host is found by its name or its id, and none can stand in for another."""

from hub.database import Database
from hub.fleet.queries import agent_by_name, agent_id_of
from hub.tenancy.models import Tenant
from tests.factories import make_agent


async def test_a_host_that_is_called_as_anothers_id_does_not_answer_for_it(
    database: Database, tenant: Tenant
) -> None:
    agents = [await make_agent(database, tenant, name=f"web-{number}") for number in range(3)]
    for agent in agents:
        await make_agent(database, tenant, name=str(agent.id))
    async with database.transaction(tenant_id=tenant.id) as session:
        found = [await agent_id_of(session, str(agent.id)) for agent in agents]
        named = [(await agent_by_name(session, str(agent.id))).name for agent in agents]
    assert found == [agent.id for agent in agents]
    assert named == ["web-0", "web-1", "web-2"]
