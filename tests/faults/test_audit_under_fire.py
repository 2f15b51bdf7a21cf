"""A power failure in the middle of many calls: nothing that was answered is missing in the log."""

import asyncio
import hashlib
from collections import Counter

import httpx2
import pytest
import rfc8785
from sqlalchemy import func, select
from sqlmodel import col

from hub.audit.models import AuditRow, McpCall
from hub.audit.verify import Verification, verify_chain
from hub.database import Database, engine_of
from tests.acceptance.connector import Connector
from tests.faults.conftest import FragileHub

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

CALLS = 2_000
ANSWERS_BEFORE_THE_FAILURE = 600


def args_hash(arguments: dict[str, str]) -> str:
    return hashlib.sha256(rfc8785.dumps(arguments)).hexdigest()


class Fire:
    """Many calls at once, each told apart by its arguments."""

    def __init__(self, claude: Connector) -> None:
        self.claude = claude
        self.answered: list[str] = []
        self.failed = 0
        self.half_way = asyncio.Event()

    async def ask(self, number: int) -> None:
        """Call once; note what was asked when an answer came back in full."""
        arguments = {"search": f"fire-{number}"}
        try:
            response = await self.claude.request(
                "tools/call", name="monsys_list_agents", arguments=arguments
            )
        except httpx2.TransportError:
            self.failed += 1
            return
        assert response.status_code == 200
        assert not response.json()["result"].get("isError", False)
        self.answered.append(args_hash(arguments))
        if len(self.answered) == ANSWERS_BEFORE_THE_FAILURE:
            self.half_way.set()


async def test_every_answer_that_left_the_hub_has_its_row(fragile_hub: FragileHub) -> None:
    fire = Fire(fragile_hub.claude)

    async def pull_the_plug() -> None:
        await fire.half_way.wait()
        await fragile_hub.process.kill()

    async with asyncio.TaskGroup() as group:
        group.create_task(pull_the_plug())
        for number in range(CALLS):
            group.create_task(fire.ask(number))
    await fragile_hub.process.start()

    assert len(fire.answered) >= ANSWERS_BEFORE_THE_FAILURE
    assert fire.failed > 0
    assert len(fire.answered) + fire.failed == CALLS
    rows = await logged_calls(fragile_hub)
    assert [call for call in fire.answered if rows[call] != 1] == []
    # The chain has an event for each row of the call log, none is torn off, and it goes on.
    await fragile_hub.claude.call("monsys_list_agents", search="after the failure")
    assert (await verified(fragile_hub)).is_intact
    assert (await logged_calls(fragile_hub)).total() == await count_of_tool_events(fragile_hub)


async def logged_calls(hub: FragileHub) -> Counter[str]:
    """Return how many rows the call log has for each hash of arguments."""
    engine = engine_of(hub.postgres.owner_url, pool_size=1)
    async with engine.connect() as connection:
        hashes = await connection.scalars(select(col(McpCall.args_hash)))
        counted = Counter(hashes)
    await engine.dispose()
    return counted


async def count_of_tool_events(hub: FragileHub) -> int:
    """Return how many invocations the audit trail tells of."""
    engine = engine_of(hub.postgres.owner_url, pool_size=1)
    async with engine.connect() as connection:
        statement = select(func.count()).where(col(AuditRow.event_type) == "mcp_tool_invoked")
        count = (await connection.execute(statement)).scalar_one()
    await engine.dispose()
    return count


async def verified(hub: FragileHub) -> Verification:
    """Recompute the tenant's chain from its first row, as `monsys audit verify` does."""
    database = Database(hub.postgres.hub_url, pool_size=2)
    try:
        async with database.transaction(tenant_id=hub.tenant.id) as session:
            return await verify_chain(session, tenant_id=hub.tenant.id)
    finally:
        await database.close()
