"""While the hub cannot take a report it says so and when to come back; it loses nothing."""

import pytest

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.reporting import figures, report, stored_samples, taking_in
from tests.signed_agent import HEARTBEAT, INGEST, SignedAgent


async def test_too_many_requests_are_told_to_wait(database: Database, agent: SignedAgent) -> None:
    async with taking_in(database, agent_requests_per_minute=10) as http:
        # Two windows' worth: the minute may end meanwhile.
        answers = [await agent.heartbeat(http) for _ in range(21)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [200] * 10
    assert 429 in statuses
    refusal = answers[statuses.index(429)]
    assert 0 < int(refusal.headers["Retry-After"]) <= 60
    assert "10 requests a minute" in refusal.json()["error"]["message"]


async def test_a_database_that_is_away_is_said_to_be(agent: SignedAgent) -> None:
    away = Database("postgresql://monsys_hub@127.0.0.1:1/monsys", pool_size=2)
    async with taking_in(away) as http:
        response = await agent.post(http, report())
    assert (response.status_code, response.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("door", [INGEST, HEARTBEAT])
async def test_a_queue_that_is_full_takes_nothing_it_could_lose(
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    monkeypatch: pytest.MonkeyPatch,
    door: str,
) -> None:
    monkeypatch.setattr("hub.ingest.landing.MAX_WAITING_REPORTS", 0)
    async with taking_in(database) as http:
        response = await agent.post(http, figures() if door == INGEST else b"", path=door)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0
    assert await stored_samples(database, tenant.id) == 0
