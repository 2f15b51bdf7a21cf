"""The agent against a running hub: it enrols, reports, waits out an hour without it, and leaves."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nacl.signing import SigningKey
from sqlalchemy import func, select
from sqlmodel import col

from hub.agent import enrol as enrolling
from hub.agent.client import INGEST_PATH, AgentError, Answer, HubClient
from hub.agent.enrol import enrol, retire
from hub.agent.identity import IDENTITY_FILE, Identity, machine_digest, read_identity
from hub.agent.runner import client_of, only_agent, report_once, run
from hub.agent.status_page import status_page
from hub.agent.uninstall import uninstall_agent
from hub.clock import utc_now
from hub.database import Database
from hub.detections.intake_models import StoredEvent
from hub.embedded import EmbeddedPostgres
from hub.fleet.enrolment_tokens import issue_enrolment_token
from hub.fleet.models import Agent, AgentKey, AgentLatest, AgentPackage, MetricSample
from hub.tenancy.models import Tenant
from tests.hub.agent_scene import Clock, Host, Scene
from tests.running_hub import RunningHub, serving

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(scope="module")
async def hub(
    postgres: EmbeddedPostgres,
    database_name: str,
    database: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RunningHub]:
    """Serve the real hub on a port."""
    assert database
    folder = tmp_path_factory.mktemp("hub")
    async with serving(
        postgres.hub_url(database_name), folder, agent_requests_per_minute=10_000, run_jobs=False
    ) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a state folder of a machine of its own: the test's machine enrols many times."""
    monkeypatch.setattr("hub.agent.identity._MACHINE_IDS", ())
    monkeypatch.setattr(enrolling, "_PAUSE_SECONDS", 0.01)
    return tmp_path / "agent"


async def a_token(database: Database, tenant: Tenant, name: str | None = None) -> str:
    async with database.transaction(tenant_id=tenant.id) as session:
        issued = await issue_enrolment_token(
            session, tenant_id=tenant.id, made_by="tests", now=utc_now(), name=name
        )
    return issued.token


async def enrolled(hub: RunningHub, tenant: Tenant, folder: Path, name: str = "web-01") -> Identity:
    token = await a_token(hub.database, tenant)
    done = await asyncio.to_thread(enrol, folder, hub.origin, token, name=name)
    return done.identity


async def count(database: Database, tenant: Tenant, table: Any) -> int:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_an_enrolled_agent_reports_this_machine(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    identity = await enrolled(hub, tenant, folder)
    assert (folder / IDENTITY_FILE).stat().st_mode & 0o777 == 0o600
    assert (identity.name, identity.url, identity.interval_seconds) == ("web-01", hub.origin, 15)

    answer = await asyncio.to_thread(report_once, folder)
    assert answer.is_accepted, answer
    async with hub.database.transaction(tenant_id=tenant.id) as session:
        agent = (await session.scalars(select(Agent))).one()
        latest = (await session.scalars(select(AgentLatest))).one()
    assert str(agent.id) == identity.agent_id
    assert agent.last_seen_at is not None
    assert latest.memory_percent is not None
    assert await count(hub.database, tenant, AgentPackage) > 0


@pytest.mark.slow
async def test_enrolling_again_is_the_same_server_and_a_running_agent_goes_on(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    first = await enrolled(hub, tenant, folder)
    stop = threading.Event()
    agent = threading.Thread(target=run, args=(folder,), kwargs={"stop": stop, "interval": 0.2})
    agent.start()
    try:
        await reports(hub, tenant, at_least=1)
        again = await enrolled(hub, tenant, folder)
        assert (again.agent_id, again.key != first.key) == (first.agent_id, True)
        await reports(hub, tenant, at_least=await count(hub.database, tenant, MetricSample) + 2)
    finally:
        stop.set()
        await asyncio.to_thread(agent.join, 10)
    assert not agent.is_alive()


async def reports(hub: RunningHub, tenant: Tenant, *, at_least: int) -> None:
    async with asyncio.timeout(20):
        while await count(hub.database, tenant, MetricSample) < at_least:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_name_that_was_chosen_is_kept_when_the_machine_enrols_again(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    await enrolled(hub, tenant, folder, name="chosen")
    token = await a_token(hub.database, tenant)
    again = await asyncio.to_thread(enrol, folder, hub.origin, token)
    assert (again.identity.name, again.is_new) == ("chosen", False)


async def test_an_answer_that_was_lost_is_asked_for_again(
    hub: RunningHub, tenant: Tenant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, lost = HubClient._exchange, [True]

    def lossy(self: HubClient, *arguments: Any) -> Answer:
        answer = send(self, *arguments)
        if lost.pop():
            lost.append(False)
            raise ConnectionResetError
        lost.append(False)
        return answer

    monkeypatch.setattr(HubClient, "_exchange", lossy)
    identity = await enrolled(hub, tenant, folder)
    monkeypatch.undo()
    assert (
        await asyncio.to_thread(client_of(folder, identity).post, INGEST_PATH, b"{}")
    ).status == 422
    assert await count(hub.database, tenant, AgentKey) == 1


async def test_a_refusal_says_why_in_the_hubs_words(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    token = await a_token(hub.database, tenant)
    await asyncio.to_thread(enrol, folder, hub.origin, token, name="web-01")
    with pytest.raises(AgentError, match="This enrolment token was used already; it is good once"):
        await asyncio.to_thread(enrol, folder.with_name("other"), hub.origin, token)
    assert not (folder.with_name("other") / IDENTITY_FILE).exists()


async def test_an_agent_that_lost_its_numbers_recovers_by_itself(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    identity = await enrolled(hub, tenant, folder)
    async with hub.database.transaction(tenant_id=tenant.id) as session:
        key = (await session.scalars(select(AgentKey))).one()
        key.last_sequence = int((time.time() + 86_400) * 1000)  # its clock was a day ahead once
        session.add(key)
    body = json.dumps({"at": utc_now().isoformat(), "figures": {"cpu_percent": 1}}).encode()
    client = client_of(folder, identity)
    assert (await asyncio.to_thread(client.post, INGEST_PATH, body)).status == 202
    restarted = client_of(folder, identity)
    assert (await asyncio.to_thread(restarted._post, INGEST_PATH, body)).status == 202


async def test_another_key_is_refused(hub: RunningHub, tenant: Tenant, folder: Path) -> None:
    identity = await enrolled(hub, tenant, folder)
    forged = client_of(folder, identity)
    forged._key = SigningKey.generate()
    assert (await asyncio.to_thread(forged.post, INGEST_PATH, b"{}")).status == 401


@pytest.mark.slow
async def test_a_retired_agent_frees_its_place_and_comes_back_as_the_same_server(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    identity = await enrolled(hub, tenant, folder)
    assert (await asyncio.to_thread(retire, folder)).is_accepted
    answer = await asyncio.to_thread(report_once, folder)
    assert (answer.status, answer.message.split(":")[0]) == (403, "This key is trusted no more")
    page = status_page(folder)
    assert not page.is_well
    assert "Enrol it again: `monsys agent enroll` with a new token" in page.text
    async with hub.database.transaction(tenant_id=tenant.id) as session:
        free = (await session.scalars(select(Agent).where(col(Agent.retired_at).is_(None)))).all()
    assert free == []
    again = await enrolled(hub, tenant, folder)
    assert again.agent_id == identity.agent_id
    assert (await asyncio.to_thread(report_once, folder)).is_accepted
    assert status_page(folder).is_well


@pytest.mark.slow
async def test_uninstalling_retires_the_key_and_deletes_only_what_the_agent_made(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    await enrolled(hub, tenant, folder)
    await asyncio.to_thread(report_once, folder)
    (folder / "somebody-elses").write_text("keep me")
    lines = await asyncio.to_thread(lambda: list(uninstall_agent(folder)))
    assert lines == [
        "The hub trusts this machine's key no more.",
        f"The state in {folder} is deleted.",
    ]
    assert os.listdir(folder) == ["somebody-elses"]  # noqa: PTH208 - pathlib's is frowned upon here


@pytest.mark.slow
async def test_an_hour_without_the_hub_is_made_up_for(
    hub: RunningHub, tenant: Tenant, folder: Path
) -> None:
    identity = await enrolled(hub, tenant, folder)
    clock = Clock(time.time() - 3_860)
    host = Host(clock)
    client = client_of(folder, identity)
    client._now = clock.now
    door = Door(client)
    scene = Scene(folder, clock, host, door)

    def away_and_back() -> None:
        for minute in range(60):
            host.happen(f"event-{minute}")
            scene.run(60)
        scene.start()  # and the machine was restarted meanwhile
        door.is_open = True
        scene.run(240)

    await asyncio.to_thread(away_and_back)
    assert len(host.made) > 240
    assert scene.agent.spool.buffered().bytes == 0, scene.agent.status
    async with hub.database.transaction(tenant_id=tenant.id) as session:
        samples = (await session.scalars(select(col(MetricSample.at)))).all()
        events = (await session.scalars(select(col(StoredEvent.id)))).all()
    assert sorted(samples) == sorted(
        {datetime.fromisoformat(at).astimezone(UTC) for at in host.made}
    )
    assert len(events) == 60


class Door:
    """The way to the hub, which can be shut."""

    def __init__(self, client: HubClient) -> None:
        self.client = client
        self.is_open = False

    def post(self, path: str, body: bytes) -> Answer:
        """Ask the hub, if it can be reached."""
        if not self.is_open:
            return Answer(status=0, message="The hub does not answer: Connection refused.")
        return self.client.post(path, body)


def test_two_agents_do_not_share_a_folder(tmp_path: Path) -> None:
    with only_agent(tmp_path), pytest.raises(AgentError, match="runs with this state folder"):
        report_once(tmp_path)


def test_a_machine_that_is_not_enrolled_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="Make a token on the hub with `monsys agent token`"):
        read_identity(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"form": "monsys-agent-1"}', "\0"])
def test_a_damaged_identity_says_that_enrolling_again_mends_it(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / IDENTITY_FILE).write_text(content)
    with pytest.raises(AgentError, match="it stays the same server"):
        read_identity(tmp_path)


def test_a_machine_without_an_id_gets_one_that_stays(folder: Path) -> None:
    folder.mkdir()
    assert machine_digest(folder) == machine_digest(folder)
    assert len(machine_digest(folder)) == 64
