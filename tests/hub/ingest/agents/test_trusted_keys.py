"""Keys are found once, and many hosts that come at once share the looking."""

import asyncio

import pytest

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Forbidden, Unauthenticated
from hub.fleet.agent_keys import retire_keys
from hub.ingest.trusted_keys import TrustedKey, TrustedKeys
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.signed_agent import enrolled_agent


async def test_hosts_that_come_at_once_are_looked_up_together(
    database: Database, tenant: Tenant, other_tenant: Tenant, statements: Statements
) -> None:
    agents = [
        await enrolled_agent(database, each.id, name=f"web-{number}")
        for number, each in enumerate([tenant, other_tenant, tenant, tenant])
    ]
    retired, *_ = agents
    async with database.transaction(tenant_id=retired.tenant_id) as session:
        await retire_keys(session, agent_id=retired.agent_id, now=utc_now())
    keys = TrustedKeys(database)
    statements.clear()
    # Each of them twice: two requests of one host may come at once as well.
    digests = ["00" * 32, *(agent.key_digest for agent in agents)] * 2
    found = await asyncio.gather(*map(keys.find, digests), return_exceptions=True)
    assert len(statements) == 1, "\n\n".join(statements)
    for answers in (found[:5], found[5:]):
        unknown, no_more, *trusted = answers
        assert isinstance(unknown, Unauthenticated)
        assert isinstance(no_more, Forbidden)
        assert trusted == [
            TrustedKey(agent.tenant_id, agent.agent_id, agent.key.verify_key.encode())
            for agent in agents[1:]
        ]
    statements.clear()
    assert await keys.find(agents[1].key_digest) == found[2]
    assert statements == []


async def test_a_host_that_hangs_up_takes_nobody_with_it(
    database: Database, tenant: Tenant
) -> None:
    agent, keys = await enrolled_agent(database, tenant.id), TrustedKeys(database)
    first = asyncio.create_task(keys.find(agent.key_digest))
    second = asyncio.create_task(keys.find(agent.key_digest))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).agent_id == agent.agent_id
    with pytest.raises(asyncio.CancelledError):
        await first
