"""What the hub observes itself, and the alarms that follow from it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from hub.alerts.commands import open_alert, resolve_alert
from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.commands import insert_metric_samples, touch_agents
from hub.fleet.reports import Sample
from hub.fleet.retirement import retire_agent
from hub.principal import Role
from hub.severity import Severity
from hub.sla.alarms import sound_alarms
from hub.sla.commands import Observation, create_target, record_observations
from hub.sla.models import SlaIndicator, SlaObservation
from hub.sla.observe import observe_targets
from hub.sla.periods import BUCKET, bucket_of
from hub.sla.queries import sla_standings
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person

NOW = bucket_of(utc_now()) - timedelta(days=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def watch(
    database: Database, tenant: Tenant, indicator: SlaIndicator, agent_id: UUID | None
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_target(
            session,
            tenant_id=tenant.id,
            name=indicator.value,
            indicator=indicator,
            objective=0.99,
            agent_id=agent_id,
            is_watched=True,
            created_at=NOW,
        )


async def observe(database: Database, tenant: Tenant, now: datetime) -> tuple[float, float]:
    """Observe up to now; return the good and bad seconds that are known by then."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await observe_targets(session, tenant_id=tenant.id, now=now)
        good, bad = (col(SlaObservation.good_seconds), col(SlaObservation.bad_seconds))
        row = (await session.execute(select(func.sum(good), func.sum(bad)))).one()
    return (row[0] or 0.0, row[1] or 0.0)


async def report(database: Database, tenant: Tenant, agent_id: UUID, *ats: datetime) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        samples = [Sample(agent_id, at) for at in ats]
        await insert_metric_samples(session, tenant_id=tenant.id, samples=samples)
        await touch_agents(session, tenant_id=tenant.id, agent_ids=[agent_id], at=max(ats))


async def test_an_agent_is_up_for_ninety_seconds_after_each_report(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    await watch(database, tenant, SlaIndicator.AGENT_UP, agent.id)
    await report(database, tenant, agent.id, NOW + 10 * SECOND)
    assert await observe(database, tenant, NOW + MINUTE) == (50, 10)
    # Until 0:10 + 1:30 it is up; then it is silent.
    assert await observe(database, tenant, NOW + 3 * MINUTE) == (90, 90)
    assert await observe(database, tenant, NOW + 3 * MINUTE) == (90, 90)  # twice adds nothing
    await report(database, tenant, agent.id, NOW + 4 * MINUTE)
    # It spans two fives: 90 s from 4:00 on, silent from 3:00 to 4:00.
    assert await observe(database, tenant, NOW + 6 * MINUTE) == (180, 180)


async def test_silence_while_nobody_watched_is_unknown(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    await watch(database, tenant, SlaIndicator.AGENT_UP, agent.id)
    await report(database, tenant, agent.id, NOW + MINUTE, NOW + 30 * MINUTE)
    assert await observe(database, tenant, NOW + 60 * MINUTE) == (180, 0)


async def test_an_agent_that_never_reported_is_unknown_and_not_down(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    await watch(database, tenant, SlaIndicator.AGENT_UP, agent.id)
    assert await observe(database, tenant, NOW + 2 * MINUTE) == (0, 0)
    await report(database, tenant, agent.id, NOW + 3 * MINUTE)
    # Silent from 2:00 on, when somebody watched; heard of at 3:00.
    assert await observe(database, tenant, NOW + 4 * MINUTE) == (60, 60)


async def test_a_retired_server_s_silence_is_no_outage(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    await watch(database, tenant, SlaIndicator.AGENT_UP, agent.id)
    await report(database, tenant, agent.id, NOW)
    assert await observe(database, tenant, NOW + 2 * MINUTE) == (90, 30)
    async with database.transaction(tenant_id=tenant.id) as session:
        await retire_agent(
            session,
            principal=person(tenant, role=Role.ADMIN),
            agent_id=agent.id,
            now=NOW + 2 * MINUTE,
        )
    assert await observe(database, tenant, NOW + 4 * MINUTE) == (90, 30)


async def test_open_alerts_are_bad_time_but_for_those_of_service_levels(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    other = await make_agent(database, tenant)
    await watch(database, tenant, SlaIndicator.ALERT_FREE, agent.id)

    async def alert(name: str, at: datetime, **columns: Any) -> None:
        fields: dict[str, Any] = {
            "category": AlertCategory.CAPACITY,
            "severity": Severity.HIGH,
            "title": name,
            "agent_id": agent.id,
        } | columns
        async with database.transaction(tenant_id=tenant.id) as session:
            await open_alert(session, tenant_id=tenant.id, fingerprint=name, at=at, **fields)

    await alert("disk", NOW + 30 * SECOND)
    await alert("of the other", NOW, agent_id=other.id)
    await alert("for information", NOW, severity=Severity.INFO)
    await alert("budget", NOW, source="sla")
    assert await observe(database, tenant, NOW + MINUTE) == (30, 30)
    async with database.transaction(tenant_id=tenant.id) as session:
        at = NOW + 90 * SECOND
        await resolve_alert(session, tenant_id=tenant.id, fingerprint="disk", at=at)
    assert await observe(database, tenant, NOW + 2 * MINUTE) == (60, 60)


@pytest.mark.parametrize(
    ("bad_minutes", "expected"),
    [
        # 99.9 %: 2 of 60 minutes burn 33 times too fast, above 14.4; 2 of a day 1.4, below 3.
        (2, {("page", Severity.CRITICAL)}),
        # 5 of 1,440 minutes burn 3.5 times too fast, and 5 of the last 120 minutes 42 times.
        (5, {("page", Severity.CRITICAL), ("ticket", Severity.MEDIUM)}),
        (0, set()),
    ],
)
async def test_a_budget_that_burns_opens_alerts_that_end_with_it(
    bad_minutes: float, expected: set[Any], database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Shop",
            indicator=SlaIndicator.CUSTOM,
            objective=0.999,
            created_at=NOW - timedelta(days=90),
        )
        bad = bad_minutes * 60
        await record_observations(
            session,
            tenant_id=tenant.id,
            observations=[
                Observation(
                    target_id=target.id,
                    at=NOW - n * BUCKET,
                    good_seconds=300 - (bad if n == 1 else 0),
                    bad_seconds=bad if n == 1 else 0,
                )
                for n in range(1, 30 * 288 + 1)
            ],
        )

    async def sound(now: datetime) -> set[Any]:
        async with database.transaction(tenant_id=tenant.id) as session:
            standings = await sla_standings(session, now=now)
            await sound_alarms(session, tenant_id=tenant.id, standings=standings, now=now)
            rows = await session.execute(
                select(col(Alert.fingerprint), col(Alert.severity)).where(
                    col(Alert.state) == AlertState.OPEN
                )
            )
            return {(name.removeprefix("sla_").split(":")[0], severity) for name, severity in rows}

    assert await sound(NOW) == expected
    assert await sound(NOW) == expected
    assert await sound(NOW + timedelta(days=4)) == set()
    async with database.transaction(tenant_id=tenant.id) as session:
        count = await session.scalar(text("SELECT count(*) FROM alerts"))
    assert count == len(expected)


def test_now_is_utc() -> None:
    assert NOW.tzinfo is UTC
