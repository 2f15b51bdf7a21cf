"""Power failures while hosts report: what was acknowledged is there, once, and the rest is sent on.

Hosts are played as agents behave: a report that was not acknowledged is kept, signed anew and sent
again until it is.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import httpx2
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database, engine_of
from hub.fleet.models import MetricSample
from hub.tenancy.models import Tenant
from tests.factories import make_tenant
from tests.faults.conftest import FragileHub
from tests.faults.leaks import assert_nothing_internal
from tests.faults.test_postgres_outage import until_ready
from tests.hub.reporting import figures
from tests.signed_agent import INGEST, SignedAgent, enrolled_agent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

HOSTS, REPORTS_EACH = 20, 60
BEFORE_THE_FAILURE = 300
_RETRY_SECONDS = 0.2


@dataclass
class Fleet:
    """Hosts that report what they measured, and what the hub acknowledged of it."""

    hub: FragileHub
    tenant: Tenant
    agents: list[SignedAgent]
    acknowledged: list[tuple[UUID, datetime]] = field(default_factory=list)
    refusals: list[httpx2.Response] = field(default_factory=list)
    cut_off: int = 0
    half_way: asyncio.Event = field(default_factory=asyncio.Event)

    async def report(self, *, reports: int = REPORTS_EACH) -> None:
        """Let every host send so many reports, oldest first, as if it had been offline."""
        async with asyncio.TaskGroup() as group:
            for agent in self.agents:
                group.create_task(self._report(agent, reports))

    async def _report(self, agent: SignedAgent, reports: int) -> None:
        first = utc_now() - timedelta(seconds=reports)
        for number in range(reports):
            await self._deliver(agent, first + timedelta(seconds=number))

    async def _deliver(self, agent: SignedAgent, at: datetime) -> None:
        while not await self.is_delivered(agent, at):  # noqa: ASYNC110 - somebody else's state
            await asyncio.sleep(_RETRY_SECONDS)

    async def is_delivered(self, agent: SignedAgent, at: datetime) -> bool:
        """Send one report once; tell whether it was acknowledged."""
        url = f"{self.hub.process.origin}{INGEST}"
        content = _body(at)
        try:
            response = await self.hub.claude.http.post(
                url, content=content, headers=agent.headers(content)
            )
        except httpx2.TransportError:
            self.cut_off += 1
            return False
        if response.status_code != 202:
            self.refusals.append(response)
            return False
        self.acknowledged.append((agent.agent_id, at))
        if len(self.acknowledged) == BEFORE_THE_FAILURE:
            self.half_way.set()
        return True

    async def stored(self) -> list[tuple[UUID, datetime]]:
        """Return the samples that are there, as the owner sees them."""
        engine = engine_of(self.hub.postgres.owner_url, pool_size=1)
        async with engine.connect() as connection:
            rows = await connection.execute(
                select(col(MetricSample.agent_id), col(MetricSample.at)).where(
                    col(MetricSample.tenant_id) == self.tenant.id
                )
            )
            found = [(UUID(int=agent_id.int), at) for agent_id, at in rows]
        await engine.dispose()
        return found


def _body(at: datetime) -> bytes:
    return orjson.dumps(figures(at=at.isoformat()))


@pytest_asyncio.fixture
async def fleet(fragile_hub: FragileHub) -> AsyncIterator[Fleet]:
    database = Database(fragile_hub.postgres.hub_url, pool_size=2)
    tenant = await make_tenant(database, server_limit=1_000)
    agents = [await enrolled_agent(database, tenant.id) for _ in range(HOSTS)]
    await database.close()
    yield Fleet(fragile_hub, tenant, agents)
    await until_ready(fragile_hub)


async def assert_everything_arrived(fleet: Fleet) -> None:
    stored = await fleet.stored()
    assert len(fleet.acknowledged) == len(set(fleet.acknowledged)) == HOSTS * REPORTS_EACH
    assert len(stored) == len(set(stored))
    assert set(fleet.acknowledged) == set(stored)
    for refusal in fleet.refusals:
        assert refusal.status_code == 503
        assert int(refusal.headers["Retry-After"]) > 0
        assert_nothing_internal(refusal.text)


async def test_a_hub_that_is_killed_loses_nothing_it_acknowledged(fleet: Fleet) -> None:
    async def pull_the_plug() -> None:
        await fleet.half_way.wait()
        acknowledged = set(fleet.acknowledged)
        await fleet.hub.process.kill()
        assert acknowledged - set(await fleet.stored()) == set()
        await fleet.hub.process.start()

    await asyncio.gather(fleet.report(), pull_the_plug())
    assert fleet.cut_off > 0
    await assert_everything_arrived(fleet)


async def test_a_postgresql_that_is_killed_loses_nothing_the_hub_acknowledged(
    fleet: Fleet,
) -> None:
    async def pull_the_plug() -> None:
        await fleet.half_way.wait()
        acknowledged = set(fleet.acknowledged)
        await fleet.hub.postgres.kill()
        await asyncio.sleep(1)
        await fleet.hub.postgres.start()
        assert acknowledged - set(await fleet.stored()) == set()

    await asyncio.gather(fleet.report(), pull_the_plug())
    assert fleet.refusals != []
    assert fleet.cut_off == 0  # the hub itself went on answering
    await assert_everything_arrived(fleet)


async def test_an_hour_of_silence_is_caught_up_with_nothing_lost_or_doubled(fleet: Fleet) -> None:
    """The hub stops for an hour's worth of reports; each host sends what it kept, then goes on."""
    await fleet.hub.process.kill()
    for agent in fleet.agents:
        assert not await fleet.is_delivered(agent, utc_now())
    await fleet.hub.process.start()
    fleet.agents = fleet.agents[:4]
    kept = [utc_now() - timedelta(seconds=15 * back) for back in range(240, 0, -1)]

    async def catch_up(agent: SignedAgent) -> list[int]:
        url, statuses = f"{fleet.hub.process.origin}{INGEST}", []
        for at in [*kept, *kept[-10:]]:  # the last answers were lost: they are sent once more
            content = _body(at)
            answer = await fleet.hub.claude.http.post(
                url, content=content, headers=agent.headers(content)
            )
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                assert 0 < int(answer.headers["Retry-After"]) <= 60
        return statuses

    answers = await asyncio.gather(*(catch_up(agent) for agent in fleet.agents))
    limit = 240  # requests a minute of one host: what it does not get in now it keeps
    assert [statuses[:limit] for statuses in answers] == [[202] * limit] * 4
    assert {status for statuses in answers for status in statuses[limit:]} <= {202, 429}
    stored = await fleet.stored()
    assert len(stored) == len(set(stored)) == 4 * 240
