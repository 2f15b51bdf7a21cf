"""Live updates: a person who watches hears what changes in their tenant, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import text, update
from sqlmodel import col

from hub.alerts.commands import open_alert, resolve_alert
from hub.alerts.models import AlertCategory
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import NewDetection, acknowledge_detection, record_detection
from hub.detections.models import RuleKind
from hub.fleet.commands import touch_agents
from hub.fleet.models import Agent
from hub.live import feed as live_feed
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person
from tests.running_hub import RunningHub, serving
from tests.schema.live_client import open_one, watching


@pytest_asyncio.fixture(scope="module")
async def hub(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Serve the hub on this worker's database, listening for changes."""
    async with serving(database.url, tmp_path_factory.mktemp("live"), run_jobs=False) as running:
        yield running


async def test_an_alert_is_told_when_it_opens_and_when_it_is_over(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        await open_one(database, tenant, "disk", agent_id=agent.id)
        opened = await watcher.change()
        async with database.transaction(tenant_id=tenant.id) as session:
            await resolve_alert(session, tenant_id=tenant.id, fingerprint="disk", at=utc_now())
        resolved = await watcher.change()
    assert (opened["change"], opened["alert"]["title"], opened["alert"]["agentName"]) == (
        "opened",
        "disk",
        "web-1",
    )
    assert (resolved["change"], resolved["alert"]["id"]) == ("resolved", opened["alert"]["id"])
    assert resolved["alert"]["state"] == "resolved"


async def test_what_is_rolled_back_is_never_told(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        with pytest.raises(RuntimeError, match="changed my mind"):
            await _open_and_fail(database, tenant)
        await open_one(database, tenant, "kept")
        assert (await watcher.change())["alert"]["title"] == "kept"


async def _open_and_fail(database: Database, tenant: Tenant) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await open_alert(
            session,
            tenant_id=tenant.id,
            fingerprint="gone",
            category=AlertCategory.CAPACITY,
            title="gone",
            severity=Severity.HIGH,
        )
        raise RuntimeError("changed my mind")


async def test_another_tenants_changes_are_not_heard(
    hub: RunningHub, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        await open_one(database, other_tenant, "theirs")
        await open_one(database, tenant, "ours")
        assert (await watcher.change())["alert"]["title"] == "ours"


async def test_a_forged_notification_shows_nothing_of_another_tenant(
    hub: RunningHub, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    """Even a notification that names the wrong tenant is read under row-level security."""
    await open_one(database, other_tenant, "theirs")
    async with database.transaction(tenant_id=other_tenant.id) as session:
        theirs = await session.scalar(text("SELECT id FROM alerts"))
    forged = {"tenant": str(tenant.id), "kind": "alert", "id": str(theirs), "change": "opened"}
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        async with database.transaction() as session:
            await session.execute(
                text("SELECT pg_notify('monsys_live', :told)"),
                {"told": orjson.dumps(forged).decode()},
            )
        await open_one(database, tenant, "ours")
        assert (await watcher.change())["alert"]["title"] == "ours"


async def test_filters_hold_for_changes_as_for_lists(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    one = await make_agent(database, tenant, name="one")
    two = await make_agent(database, tenant, name="two")
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes", agent="two", severity="critical")
        await open_one(database, tenant, "a", agent_id=one.id, severity=Severity.CRITICAL)
        await open_one(database, tenant, "b", agent_id=two.id, severity=Severity.LOW)
        await open_one(database, tenant, "c", agent_id=two.id, severity=Severity.CRITICAL)
        assert (await watcher.change())["alert"]["title"] == "c"


async def test_a_detection_is_told_from_its_first_event_to_the_person_who_takes_it(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    now = utc_now()
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_detection_changes")
        async with database.transaction(tenant_id=tenant.id) as session:
            recorded = await record_detection(
                session,
                tenant_id=tenant.id,
                detection=NewDetection(
                    agent_id=agent.id,
                    rule_kind=RuleKind.HONEYPOT_CANARY,
                    title="Somebody read the bait",
                    first_seen_at=now,
                    last_seen_at=now,
                ),
            )
        opened = await watcher.change()
        async with database.transaction(tenant_id=tenant.id) as session:
            await acknowledge_detection(
                session, principal=person(tenant), number=recorded.number, now=now
            )
        taken = await watcher.change()
    assert (opened["change"], opened["detection"]["number"]) == ("opened", recorded.number)
    assert (taken["change"], taken["detection"]["state"]) == ("acknowledged", "acknowledged")


@pytest.mark.slow
async def test_an_agent_is_told_when_it_falls_silent_and_when_it_is_back(
    hub: RunningHub, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "_LOOK_FOR_SILENCE_EVERY", timedelta(milliseconds=100))
    agent = await make_agent(database, tenant, name="web-1")
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_agent_changes")
        await asyncio.sleep(0.2)
        almost = utc_now() - timedelta(seconds=89)
        async with database.transaction(tenant_id=tenant.id) as session:
            statement = update(Agent).where(col(Agent.id) == agent.id)
            await session.execute(statement.values(last_seen_at=almost))
        first = await watcher.change()
        silent = await watcher.change()
        async with database.transaction(tenant_id=tenant.id) as session:
            ids = [agent.id]
            await touch_agents(session, tenant_id=tenant.id, agent_ids=ids, at=utc_now())
        back = await watcher.change()
    assert [one["change"] for one in (first, silent, back)] == ["online", "offline", "online"]
    assert [one["agent"]["status"] for one in (silent, back)] == ["offline", "online"]


async def test_a_report_of_an_agent_that_is_online_tells_nothing(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1", last_seen_at=utc_now())
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_agent_changes")
        async with database.transaction(tenant_id=tenant.id) as session:
            ids = [agent.id]
            await touch_agents(session, tenant_id=tenant.id, agent_ids=ids, at=utc_now())
        await make_agent(database, tenant, name="web-2")
        assert (await watcher.change())["agent"]["name"] == "web-2"
