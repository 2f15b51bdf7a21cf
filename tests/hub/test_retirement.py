"""A retired server counts nowhere, and comes back as it was when its machine enrols again."""

from datetime import timedelta

import pytest_asyncio
from sqlalchemy import select, update
from sqlmodel import col

from hub.alerts.commands import open_alert
from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent
from hub.fleet.queries import agents_gone_silent, agents_page
from hub.fleet.retirement import retire_agent
from hub.overview.queries import overview
from hub.principal import Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import person
from tests.hub.vulnerabilities.scene import Scene, fixed_in, fresh, record


@pytest_asyncio.fixture
async def scene(database: Database, tenant: Tenant) -> Scene:
    """Return the tenant with what a vulnerability needs."""
    return Scene(database, tenant)


async def a_troubled_server(scene: Scene) -> str:
    """Let a server be online, with an open alert and an open vulnerability; return its package."""
    name = fresh()
    await scene.host("web-01", ("npm", name, "1.0.0"))
    await scene.publish(record("npm", name, fixed_in("2.0.0", kind="SEMVER")))
    agent_id = scene.agent_id("web-01")
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await session.execute(
            update(Agent).where(col(Agent.id) == agent_id).values(last_seen_at=utc_now())
        )
        await open_alert(
            session,
            tenant_id=scene.tenant.id,
            fingerprint="disk",
            category=AlertCategory.CAPACITY,
            severity=Severity.HIGH,
            title="Disk is full",
            agent_id=agent_id,
        )
    return name


async def retire(scene: Scene) -> bool:
    """Retire the server in an admin's name; tell whether it was in service."""
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        return await retire_agent(
            session,
            principal=person(scene.tenant, role=Role.ADMIN),
            agent_id=scene.agent_id("web-01"),
            now=utc_now(),
        )


async def counted(scene: Scene) -> tuple[int, int, int, int]:
    """Return agents listed, agents online, agents offline, and open alerts."""
    now = utc_now()
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        listed = await agents_page(session, now=now, first=10)
        figures = await overview(session, now=now)
    return (
        listed.total or 0,
        figures.agents_online,
        figures.agents_offline,
        sum(figures.open_alerts.values()),
    )


async def test_a_retired_server_counts_nowhere(scene: Scene) -> None:
    await a_troubled_server(scene)
    assert await counted(scene) == (1, 1, 0, 1)
    assert len(await scene.unfixed()) == 1
    assert await retire(scene) is True
    assert await counted(scene) == (0, 0, 0, 0)
    assert await scene.unfixed() == []
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        alert = (await session.scalars(select(Alert))).one()
        events = list(await session.scalars(select(col(AuditRow.event_type))))
    assert (alert.state, alert.title) == (AlertState.RESOLVED, "Disk is full")
    assert events == ["agent_retired"]


async def test_retiring_twice_is_one_event(scene: Scene) -> None:
    await a_troubled_server(scene)
    assert [await retire(scene), await retire(scene)] == [True, False]
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        assert len(list(await session.scalars(select(AuditRow)))) == 1


async def test_its_silence_is_told_to_nobody(scene: Scene) -> None:
    await a_troubled_server(scene)
    await retire(scene)
    now = utc_now()
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        since = now - timedelta(hours=1)
        assert await agents_gone_silent(session, since=since, until=now) == []


async def test_what_it_has_counts_again_once_it_is_back(scene: Scene) -> None:
    name = await a_troubled_server(scene)
    await retire(scene)
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        statement = update(Agent).where(col(Agent.id) == scene.agent_id("web-01"))
        await session.execute(statement.values(retired_at=None))
    assert await scene.host("web-01", ("npm", name, "1.0.0")) is True
    assert len(await scene.unfixed()) == 1
    assert (await counted(scene))[0] == 1
