"""What may be reported: values within bounds, named where they are not, and moments that can be."""

import copy
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import AgentLatest
from hub.tenancy.models import Tenant
from tests.hub.reporting import figures, report, stored_samples
from tests.signed_agent import SignedAgent


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
