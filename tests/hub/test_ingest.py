"""The ingest endpoint: what a host reports is stored, and each refusal says why."""

import asyncio
import copy
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey
from sqlalchemy import select
from sqlmodel import col

from hub.agent.figures import FigureReader
from hub.agent.figures import Figures as AgentFigures
from hub.agent.report import encode, report_of
from hub.agent.system import read_system
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.agent_keys import retire_keys
from hub.fleet.models import Agent, AgentKey, AgentLatest, AgentPackage
from hub.fleet.signatures import (
    KEY_HEADER,
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from hub.ingest.bodies import MAX_REPORT_BYTES
from hub.ingest.routes import ingest_routes
from hub.tenancy.models import Tenant
from tests.faults.leaks import assert_nothing_internal
from tests.hub.reporting import PACKAGE, figures, report, stored_samples, taking_in
from tests.signed_agent import HEARTBEAT, INGEST, SignedAgent, enrolled_agent

SEAL_HEADERS = (KEY_HEADER, SEQUENCE_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


@pytest_asyncio.fixture(params=[False, True], ids=["routed", "first door"])
async def http(
    request: pytest.FixtureRequest, database: Database
) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of the routes, and one of the way past them: both answer alike."""
    async with taking_in(database, is_first_door=request.param) as client:
        yield client


@pytest_asyncio.fixture
async def agent(database: Database, tenant: Tenant) -> SignedAgent:
    return await enrolled_agent(database, tenant.id)


async def key_of(database: Database, agent: SignedAgent) -> AgentKey:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        return await session.get_one(AgentKey, agent.key_digest)


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


# --- who may report ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", [INGEST, HEARTBEAT])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer mak_former"}])
async def test_what_is_not_signed_is_told_how_to_enrol(
    http: httpx2.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    response = await http.post(path, json=report(), headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Monsys-Signature"
    error = response.json()["error"]
    assert error["code"] == "UNAUTHENTICATED"
    assert "`monsys agent enroll`" in error["message"]


@pytest.mark.parametrize("header", SEAL_HEADERS)
@pytest.mark.parametrize("value", [None, "", "nonsense", "-1", "é"])
async def test_a_header_that_is_missing_or_malformed_is_named(
    http: httpx2.AsyncClient, agent: SignedAgent, header: str, value: str | None
) -> None:
    body = orjson.dumps(figures())
    headers: dict[str, Any] = agent.headers(body)
    if value is None:
        del headers[header]
    else:
        headers[header] = value.encode()
    response = await http.post(INGEST, content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["field"]) == (422, header)


async def test_a_key_that_nobody_enrolled_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    agent.key = SigningKey.generate()
    response = await agent.post(http, figures())
    assert response.status_code == 401
    assert "`monsys agent enroll`" in response.json()["error"]["message"]


@pytest.mark.parametrize("is_known_already", [True, False])
@pytest.mark.parametrize("path", [INGEST, HEARTBEAT])
async def test_a_key_that_is_trusted_no_more_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    is_known_already: bool,  # noqa: FBT001 - a case of the table
    path: str,
) -> None:
    if is_known_already:
        assert (await agent.heartbeat(http)).status_code == 200
    async with database.transaction(tenant_id=tenant.id) as session:
        await retire_keys(session, agent_id=agent.agent_id, now=utc_now())
    response = await agent.post(http, figures() if path == INGEST else b"", path=path)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("what", ["body", "path", "sequence", "timestamp", "signature"])
async def test_what_was_changed_after_it_was_signed_is_refused(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent, what: str
) -> None:
    body, path = orjson.dumps(figures()), INGEST
    headers = agent.headers(body)
    if what == "body":
        body = body.replace(b"12.5", b"12.6")
    elif what == "path":
        path, body = HEARTBEAT, body[:1000]
        headers = agent.headers(body)
    elif what == "signature":
        headers |= {SIGNATURE_HEADER: agent.headers(body)[SIGNATURE_HEADER]}
    else:
        header = SEQUENCE_HEADER if what == "sequence" else TIMESTAMP_HEADER
        headers[header] = str(int(headers[header]) + 1)
    response = await http.post(path, content=body, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["field"] == SIGNATURE_HEADER
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_hosts_wrong_clock_is_told_the_hubs(
    http: httpx2.AsyncClient, agent: SignedAgent, minutes: int
) -> None:
    response = await agent.post(http, figures(), clock_ahead=timedelta(minutes=minutes))
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["field"] == TIMESTAMP_HEADER
    assert f"{utc_now():%Y-%m-%dT%H:}" in error["message"]
    assert f"{'ahead of' if minutes > 0 else 'behind'} the hub's" in error["message"]
    seconds = int(error["message"].split(" seconds ")[0].split()[-1])
    assert abs(seconds - 360) <= 2


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


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_no_bit_of_a_request_may_be_flipped(
    data: st.DataObject, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    """Whatever a broken line or a forger changes, in the body or in the seal, nothing is stored."""
    body = orjson.dumps(figures())
    parts = {name: value.encode() for name, value in agent.headers(body).items()} | {"body": body}
    name = data.draw(st.sampled_from(["body", *SEAL_HEADERS]))
    place = data.draw(st.integers(0, len(parts[name]) * 8 - 1))
    flipped = bytearray(parts[name])
    flipped[place // 8] ^= 1 << (place % 8)
    parts[name] = bytes(flipped)
    content = parts.pop("body")
    async with taking_in(database, is_first_door=True) as http:
        response = await http.post(INGEST, content=content, headers=parts)  # type: ignore[arg-type]
    assert response.status_code in {401, 422}
    assert_nothing_internal(response.text)
    assert await stored_samples(database, tenant.id) == 0


# --- what may be reported ---------------------------------------------------------------------


def _with(path: str, value: object) -> dict[str, Any]:
    """Return a report with one value replaced, named by its path."""
    body = copy.deepcopy(report())
    *parents, last = path.split(".")
    target: Any = body
    for parent in parents:
        target = target[int(parent) if parent.isdigit() else parent]
    target[last] = value
    return body


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("figures.cpu_percent", 100.1),
        ("figures.cpu_percent", -1),
        ("figures.cpu_percent", "hot"),
        ("figures.memory_percent", 250),
        ("figures.load1", -0.1),
        ("figures.rx_mbps", 1e12),
        ("figures.disks.0.used_percent", 101),
        ("figures.disks.0.total_bytes", 2**63),
        ("system.cpu_count", 0),
        ("system.kernel_release", "6.1\u0000"),
        ("system.kernel_release", "6" * 129),
        ("system.os.name", "Debian\nRoot: yes"),
        ("at", "yesterday"),
        ("at", "2026-11-03T08:00:00"),
    ],
)
async def test_a_value_out_of_range_is_refused_by_name(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    field: str,
    value: object,
) -> None:
    response = await agent.post(http, _with(field, value))
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)
    assert str(value) not in error["message"]
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("off_by", [timedelta(minutes=6), timedelta(days=-8)])
@pytest.mark.parametrize("body", [figures(), report()], ids=["plain", "full"])
async def test_a_moment_that_cannot_be_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    off_by: timedelta,
    body: dict[str, Any],
) -> None:
    response = await agent.post(http, body | {"at": (utc_now() + off_by).isoformat()})
    assert (response.status_code, response.json()["error"]["field"]) == (422, "at")
    assert await stored_samples(database, tenant.id) == 0


async def test_a_moment_a_little_ahead_is_now(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    ahead = (utc_now() + timedelta(minutes=4)).isoformat()
    assert (await agent.post(http, figures(at=ahead))).status_code == 202
    async with database.transaction(tenant_id=tenant.id) as session:
        latest = await session.get_one(AgentLatest, (tenant.id, agent.agent_id))
    assert latest.at <= utc_now()


async def test_a_report_that_comes_late_does_not_replace_what_is_newer(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    newest = utc_now()
    for at in (newest, newest - timedelta(hours=3)):
        assert (await agent.post(http, figures(at=at.isoformat()))).status_code == 202
    async with database.transaction(tenant_id=tenant.id) as session:
        latest = await session.get_one(AgentLatest, (tenant.id, agent.agent_id))
    assert latest.at == newest
    assert await stored_samples(database, tenant.id) == 2


NO_REPORTS = [b"{", b"\xff\xfe", b"[]", b"null", b"", b'{"at": NaN}', b"[" * 3000, b'"x"', b"7"]


@pytest.mark.parametrize("body", NO_REPORTS)
async def test_a_body_that_is_no_report_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent, body: bytes
) -> None:
    response = await agent.post(http, body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "INVALID_INPUT"


WHOLE = gzip.compress(b'{"at": "2026-11-03T08:00:00Z"}')


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"{}"),
        ("gzip", WHOLE[:-9]),
        ("gzip", WHOLE + b"more"),
        ("gzip", WHOLE[:12] + bytes([WHOLE[12] ^ 1]) + WHOLE[13:]),
        ("gzip", b""),
        ("br", b"{}"),
        ("gzip, gzip", gzip.compress(WHOLE)),
    ],
    ids=["plain", "cut", "more behind", "flipped", "empty", "another encoding", "twice"],
)
async def test_what_cannot_be_unpacked_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent, encoding: str, body: bytes
) -> None:
    response = await agent.post(http, body, headers={"Content-Encoding": encoding})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "INVALID_INPUT")


async def test_a_decompression_bomb_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    bomb = gzip.compress(b" " * (64 * MAX_REPORT_BYTES))
    assert len(bomb) < MAX_REPORT_BYTES / 10
    response = await agent.post(http, bomb, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    is_declared: bool,  # noqa: FBT001 - a case of the table
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_REPORT_BYTES // 65536 + 1):
            yield b" " * 65536

    content = b" " * (MAX_REPORT_BYTES + 1) if is_declared else chunks()
    response = await http.post(INGEST, content=content, headers=agent.headers())
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert response.headers["Connection"] == "close"
    assert await stored_samples(database, tenant.id) == 0


async def test_strangers_bodies_are_not_read(database: Database, agent: SignedAgent) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    agent.sequence = 0
    headers = agent.headers() | {KEY_HEADER: "0" * 64}
    async with taking_in(database, is_first_door=True) as http:
        assert (await http.post(INGEST, content=never(), headers=headers)).status_code == 401


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


# --- while the hub cannot ---------------------------------------------------------------------


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


def test_openapi_documents_every_answer() -> None:
    app = FastAPI()
    app.include_router(ingest_routes())
    paths = app.openapi()["paths"]
    documented = {
        path: sorted(operations["post"]["responses"]) for path, operations in paths.items()
    }
    signed = ["401", "403", "409", "413", "422", "429", "503"]
    assert documented["/api/v1/ingest"] == ["202", *signed]
    assert documented["/api/v1/heartbeat"] == ["200", *signed]
    assert documented["/api/v1/service-levels"] == sorted(["202", "404", *signed])
    ingest = paths["/api/v1/ingest"]["post"]
    assert {parameter["name"] for parameter in ingest["parameters"]} == {
        KEY_HEADER,
        SEQUENCE_HEADER,
        TIMESTAMP_HEADER,
    }
    assert ingest["security"] == [{"AgentSignature": []}]
    assert ingest["requestBody"]["required"] is True
