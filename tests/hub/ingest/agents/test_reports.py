"""What a host reports is stored: what it measured, what it is, and that it is alive."""

import asyncio
import gzip
from datetime import timedelta

import httpx2
import orjson
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.agent.figures import FigureReader
from hub.agent.figures import Figures as AgentFigures
from hub.agent.report import encode, report_of
from hub.agent.system import read_system
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent, AgentLatest, AgentPackage
from hub.tenancy.models import Tenant
from tests.hub.reporting import PACKAGE, figures, report, stored_samples, taking_in
from tests.signed_agent import SignedAgent, enrolled_agent


async def test_a_report_becomes_the_latest_figures_and_a_sample(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    response = await agent.post(http, report(packages=[PACKAGE]))

    assert (response.status_code, response.json()) == (202, {"status": "accepted", "packages": 1})
    async with database.transaction(tenant_id=tenant.id) as session:
        latest = await session.get_one(AgentLatest, (tenant.id, agent.agent_id))
        known = await session.get_one(Agent, (tenant.id, agent.agent_id))
        links = (await session.scalars(select(col(AgentPackage.agent_id)))).all()
    assert (latest.cpu_percent, latest.memory_percent, latest.disk_percent) == (12.5, 48.0, 91.0)
    assert (latest.load1, latest.rx_mbps, latest.tx_mbps) == (0.5, 1.5, 2.5)
    assert [disk["mount"] for disk in latest.details["disks"]] == ["/", "/srv"]  # type: ignore[attr-defined]
    assert (known.os_id, known.kernel_release, known.addresses) == (
        "debian",
        "6.1.0-28-amd64",
        ["10.0.0.5"],
    )
    assert known.last_seen_at is not None
    assert utc_now() - known.last_seen_at < timedelta(seconds=30)
    assert links == [agent.agent_id]
    assert await stored_samples(database, tenant.id) == 1


async def test_a_plain_report_becomes_the_same(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    response = await agent.post(http, figures())

    assert (response.status_code, response.json()) == (202, {"status": "accepted", "packages": 0})
    async with database.transaction(tenant_id=tenant.id) as session:
        latest = await session.get_one(AgentLatest, (tenant.id, agent.agent_id))
        known = await session.get_one(Agent, (tenant.id, agent.agent_id))
    assert (latest.cpu_percent, latest.memory_percent, latest.disk_percent) == (12.5, 48.0, 91.0)
    assert (latest.load1, latest.load5, latest.load15) == (0.5, 0.4, 0.3)
    assert (latest.rx_mbps, latest.tx_mbps) == (1.5, 2.5)
    assert latest.details["disks"][1] == {  # type: ignore[index]
        "mount": "/srv",
        "device": "/dev/vdb1",
        "used_percent": 91.0,
        "used_bytes": 4,
        "total_bytes": 10,
    }
    assert known.last_seen_at is not None
    assert utc_now() - known.last_seen_at < timedelta(seconds=30)
    assert await stored_samples(database, tenant.id) == 1


async def test_what_a_host_is_is_stored_when_it_changes(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    for kernel in ("6.1.0-28", "6.1.0-28", "6.1.0-29", "6.1.0-29"):
        body = report()
        body["system"]["kernel_release"] = kernel
        assert (await agent.post(http, body)).status_code == 202
        async with database.transaction(tenant_id=tenant.id) as session:
            known = await session.get_one(Agent, (tenant.id, agent.agent_id))
        assert known.kernel_release == kernel
    assert await stored_samples(database, tenant.id) == 4


async def test_a_report_that_tells_the_same_of_its_host_lands_with_others(
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with taking_in(database) as http:
        assert (await agent.post(http, report())).status_code == 202
        monkeypatch.setattr("hub.ingest.door.take_report", None)  # would fail if it were asked
        assert (await agent.post(http, report())).status_code == 202
    assert await stored_samples(database, tenant.id) == 2


async def test_a_moment_is_measured_once(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    """An answer may be lost; the host signs the report anew, and it changes nothing."""
    for body in (figures(), report()):
        assert [(await agent.post(http, body)).status_code for _ in range(2)] == [202, 202]
    assert await stored_samples(database, tenant.id) == 2


async def test_reports_of_many_hosts_land_together_and_each_once(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    agents = [await enrolled_agent(database, tenant.id) for _ in range(5)]
    bodies = {agent.name: [figures() for _ in range(12)] for agent in agents}
    # Those of one host one after the other, as it sends them; the hosts all at once. Twice, so
    # that the second time all of them collide with what is there.
    for _ in range(2):

        async def send_all(agent: SignedAgent) -> list[int]:
            return [(await agent.post(http, body)).status_code for body in bodies[agent.name]]

        answers = await asyncio.gather(*(send_all(agent) for agent in agents))
        assert [set(statuses) for statuses in answers] == [{202}] * 5
    assert await stored_samples(database, tenant.id) == 60


async def test_the_reference_agents_own_report_is_accepted(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    measured: AgentFigures = FigureReader().read()
    body = orjson.loads(encode(report_of(utc_now(), read_system(), measured)))
    assert (await agent.post(http, body)).status_code == 202


async def test_fields_of_newer_agents_are_ignored(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    assert (await agent.post(http, report(gpu={"busy": 1}))).status_code == 202


async def test_a_packed_report_is_the_same_report(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    packed = gzip.compress(orjson.dumps(figures()))
    response = await agent.post(http, packed, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 202
    assert await stored_samples(database, tenant.id) == 1


async def test_a_heartbeat_makes_the_host_online(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    response = await agent.heartbeat(http)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    async with database.transaction(tenant_id=tenant.id) as session:
        known = await session.get_one(Agent, (tenant.id, agent.agent_id))
    assert known.last_seen_at is not None
    assert await stored_samples(database, tenant.id) == 0
