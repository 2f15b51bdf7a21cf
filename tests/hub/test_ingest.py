"""The ingest endpoint: what an agent reports is stored, and each refusal says why."""

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import func, select, update
from sqlmodel import col

from hub.agent.figures import FigureReader
from hub.agent.figures import Figures as AgentFigures
from hub.agent.report import encode, report_of
from hub.agent.system import read_system
from hub.clock import utc_now
from hub.database import Database
from hub.faults import install_error_handlers
from hub.fleet.commands import agent_key_digest, issue_agent_credential
from hub.fleet.models import Agent, AgentCredential, AgentLatest, AgentPackage, MetricSample
from hub.ingest.authentication import REPORTS_PER_MINUTE
from hub.ingest.bodies import MAX_REPORT_BYTES
from hub.ingest.routes import ingest_routes
from hub.settings import Settings
from hub.tenancy.models import Tenant
from tests.factories import make_agent

PACKAGE = {
    "ecosystem": "Debian:12",
    "name": "libssl3",
    "version": "3.0.15-1~deb12u1",
    "source_name": "openssl",
    "source_version": "3.0.15-1~deb12u1",
}


def report(**changes: Any) -> dict[str, Any]:
    body = {
        "at": utc_now().isoformat(),
        "agent_version": "0.1.0",
        "system": {
            "os": {"id": "debian", "name": "Debian GNU/Linux 12 (bookworm)", "version": "12"},
            "kernel_release": "6.1.0-28-amd64",
            "architecture": "x86_64",
            "addresses": ["10.0.0.5"],
            "cpu_count": 4,
            "memory_bytes": 8_000_000_000,
        },
        "figures": {
            "cpu_percent": 12.5,
            "memory_percent": 48.0,
            "load1": 0.5,
            "load5": 0.4,
            "load15": 0.3,
            "rx_mbps": 1.5,
            "tx_mbps": 2.5,
            "disks": [
                {"mount": "/", "device": "/dev/vda1", "used_percent": 40.0, "used_bytes": 4,
                 "total_bytes": 10},
                {"mount": "/srv", "device": "/dev/vdb1", "used_percent": 91.0, "used_bytes": 9,
                 "total_bytes": 10},
            ],
        },
    }  # fmt: skip
    return body | changes


@pytest_asyncio.fixture
async def http(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(ingest_routes())
    app.state.database = database
    app.state.settings = Settings()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


@pytest_asyncio.fixture
async def agent(database: Database, tenant: Tenant) -> Agent:
    return await make_agent(database, tenant)


@pytest_asyncio.fixture
async def credential(database: Database, tenant: Tenant, agent: Agent) -> str:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await issue_agent_credential(session, tenant_id=tenant.id, agent_id=agent.id)


async def send(
    http: httpx2.AsyncClient, credential: str, body: object, path: str = "/api/v1/ingest"
) -> httpx2.Response:
    return await http.post(path, json=body, headers={"Authorization": f"Bearer {credential}"})


async def stored_samples(database: Database, tenant_id: UUID) -> int:
    async with database.transaction(tenant_id=tenant_id) as session:
        return await session.scalar(select(func.count()).select_from(MetricSample)) or 0


async def test_a_report_becomes_the_latest_figures_and_a_sample(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: Agent, credential: str
) -> None:
    response = await send(http, credential, report(packages=[PACKAGE]))

    assert (response.status_code, response.json()) == (202, {"status": "accepted", "packages": 1})
    async with database.transaction(tenant_id=tenant.id) as session:
        latest = await session.get_one(AgentLatest, (tenant.id, agent.id))
        known = await session.get_one(Agent, (tenant.id, agent.id))
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
    assert links == [agent.id]
    assert await stored_samples(database, tenant.id) == 1


async def test_a_report_sent_again_changes_nothing(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, credential: str
) -> None:
    body = report()
    assert [(await send(http, credential, body)).status_code for _ in range(2)] == [202, 202]
    assert await stored_samples(database, tenant.id) == 1


async def test_the_reference_agents_own_report_is_accepted(
    http: httpx2.AsyncClient, credential: str
) -> None:
    figures: AgentFigures = FigureReader().read()
    body = orjson.loads(encode(report_of(utc_now(), read_system(), figures)))
    assert (await send(http, credential, body)).status_code == 202


async def test_fields_of_newer_agents_are_ignored(
    http: httpx2.AsyncClient, credential: str
) -> None:
    assert (await send(http, credential, report(gpu={"busy": 1}))).status_code == 202


async def test_a_heartbeat_makes_the_agent_online(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: Agent, credential: str
) -> None:
    response = await http.post(
        "/api/v1/heartbeat", headers={"Authorization": f"Bearer {credential}"}
    )
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    async with database.transaction(tenant_id=tenant.id) as session:
        known = await session.get_one(Agent, (tenant.id, agent.id))
    assert known.last_seen_at is not None


@pytest.mark.parametrize("path", ["/api/v1/ingest", "/api/v1/heartbeat"])
@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer mak_nobody", "Bearer ", "Basic bWFrOng=", f"Bearer mak_{'x' * 500}"],
)
async def test_strangers_are_not_let_in(
    http: httpx2.AsyncClient, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    response = await http.post(path, json=report(), headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "UNAUTHENTICATED"


async def test_a_revoked_credential_is_refused(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, credential: str
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(AgentCredential)
            .where(col(AgentCredential.digest) == agent_key_digest(credential))
            .values(revoked_at=utc_now())
        )
    response = await send(http, credential, report())
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "FORBIDDEN"
    assert await stored_samples(database, tenant.id) == 0


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
    credential: str,
    field: str,
    value: object,
) -> None:
    response = await send(http, credential, _with(field, value))
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)
    assert str(value) not in error["message"]
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("off_by", [timedelta(minutes=6), timedelta(days=-8)])
async def test_a_clock_that_is_wrong_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    credential: str,
    off_by: timedelta,
) -> None:
    response = await send(http, credential, report(at=(utc_now() + off_by).isoformat()))
    assert (response.status_code, response.json()["error"]["field"]) == (422, "at")
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[]", b"null", b"", b'{"at": NaN}', b"[" * 3000]
)
async def test_a_body_that_is_no_report_is_refused(
    http: httpx2.AsyncClient, credential: str, body: bytes
) -> None:
    response = await http.post(
        "/api/v1/ingest",
        content=body,
        headers={
            "Authorization": f"Bearer {credential}",
            "Content-Type": "application/json",
        },
    )
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    credential: str,
    is_declared: bool,  # noqa: FBT001 - a case of the table
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_REPORT_BYTES // 65536 + 1):
            yield b" " * 65536

    content = b" " * (MAX_REPORT_BYTES + 1) if is_declared else chunks()
    response = await http.post(
        "/api/v1/ingest", content=content, headers={"Authorization": f"Bearer {credential}"}
    )
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert await stored_samples(database, tenant.id) == 0


async def test_too_many_reports_are_told_to_wait(http: httpx2.AsyncClient, credential: str) -> None:
    headers = {"Authorization": f"Bearer {credential}"}
    answers = [
        await http.post("/api/v1/heartbeat", headers=headers) for _ in range(REPORTS_PER_MINUTE + 1)
    ]
    assert [answer.status_code for answer in answers] == [200] * REPORTS_PER_MINUTE + [429]
    assert int(answers[-1].headers["Retry-After"]) == 60


async def test_a_database_that_is_away_is_said_to_be(credential: str) -> None:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(ingest_routes())
    app.state.database = Database("postgresql://monsys_hub@127.0.0.1:1/monsys", pool_size=2)
    app.state.settings = Settings()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        response = await send(client, credential, report())
    assert (response.status_code, response.json()["error"]["code"]) == (503, "UNAVAILABLE")


def test_openapi_documents_every_answer() -> None:
    app = FastAPI()
    app.include_router(ingest_routes())
    paths = app.openapi()["paths"]
    assert {
        path: sorted(operations["post"]["responses"]) for path, operations in paths.items()
    } == {
        "/api/v1/ingest": ["202", "401", "403", "413", "422", "429", "503"],
        "/api/v1/heartbeat": ["200", "401", "403", "429", "503"],
        "/api/v1/service-levels": ["202", "401", "403", "404", "413", "422", "429", "503"],
    }
