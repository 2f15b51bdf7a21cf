"""A sequence number is taken once, and by what was stored only."""

import asyncio
from typing import Any

import httpx2
import orjson
import pytest

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import AgentKey
from hub.fleet.signatures import SEQUENCE_HEADER
from hub.tenancy.models import Tenant
from tests.hub.reporting import figures, report, stored_samples
from tests.signed_agent import INGEST, SignedAgent


async def key_of(database: Database, agent: SignedAgent) -> AgentKey:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        return await session.get_one(AgentKey, agent.key_digest)


@pytest.mark.parametrize("body", [figures(), report()], ids=["plain", "full"])
async def test_a_request_sent_again_is_refused_and_told_the_last_sequence(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    body: dict[str, Any],
) -> None:
    content = orjson.dumps(body | {"at": utc_now().isoformat()})
    headers = agent.headers(content)
    answers = [await http.post(INGEST, content=content, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 409]
    assert answers[1].json()["error"]["field"] == SEQUENCE_HEADER
    assert answers[1].headers["X-Monsys-Last-Sequence"] == str(agent.sequence)
    assert await stored_samples(database, tenant.id) == 1


async def test_of_copies_at_the_same_moment_one_is_taken(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    content = orjson.dumps(figures())
    headers = agent.headers(content)
    answers = await asyncio.gather(
        *(http.post(INGEST, content=content, headers=headers) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7


async def test_a_sequence_that_was_passed_is_refused_and_a_gap_is_not(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    late = agent.sequence + 1
    assert (await agent.post(http, figures(), sequence=late + 100)).status_code == 202
    for sequence in (late, late + 100):
        assert (await agent.post(http, figures(), sequence=sequence)).status_code == 409
    assert (await key_of(database, agent)).last_sequence == late + 100


async def test_what_is_refused_leaves_the_sequence_where_it_was(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    before = (await key_of(database, agent)).last_sequence
    assert (await agent.post(http, b"{}")).status_code == 422
    assert (await key_of(database, agent)).last_sequence == before
