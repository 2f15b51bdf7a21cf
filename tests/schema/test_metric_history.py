"""The metric history, through the dashboard's operation."""

from datetime import timedelta

import pytest

from hub.clock import hour_of, utc_now
from hub.database import Database
from hub.fleet.commands import insert_metric_samples
from hub.fleet.reports import Sample
from hub.fleet.rollups import roll_up_hours
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person
from tests.schema.asking import ask, page, refusal

HISTORY = page("dashboard_metric_history")
NOW = utc_now()


async def measured(database: Database, tenant: Tenant, *, hours_ago: int, count: int) -> None:
    """Let a host measure 10, 20, 30… percent, a minute apart, some whole hours ago."""
    agent = await make_agent(database, tenant, name="web-1")
    begin = hour_of(NOW) - timedelta(hours=hours_ago)
    samples = [
        Sample(agent.id, begin + timedelta(minutes=number), cpu_percent=10.0 * (number + 1))
        for number in range(count)
    ]
    async with database.transaction(tenant_id=tenant.id) as session:
        await insert_metric_samples(session, tenant_id=tenant.id, samples=samples)


async def test_a_day_is_told_from_the_samples(database: Database, tenant: Tenant) -> None:
    await measured(database, tenant, hours_ago=3, count=3)
    points = await ask(database, person(tenant), HISTORY, agent="web-1", since="24h")
    assert sum(point["sampleCount"] for point in points) == 3
    assert min(point["cpuPercent"]["min"] for point in points) == 10
    assert max(point["cpuPercent"]["max"] for point in points) == 30
    assert {point["memoryPercent"]["max"] for point in points} == {None}


async def test_a_week_is_told_from_whole_hours(database: Database, tenant: Tenant) -> None:
    await measured(database, tenant, hours_ago=72, count=3)
    async with database.transaction(tenant_id=tenant.id) as session:
        while await roll_up_hours(session, tenant_id=tenant.id, now=NOW):
            pass
    [point] = await ask(database, person(tenant), HISTORY, agent="web-1", since="7d")
    assert (point["sampleCount"], point["cpuPercent"]) == (3, {"min": 10, "mean": 20, "max": 30})


async def test_another_tenants_host_has_no_history(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await measured(database, other_tenant, hours_ago=3, count=3)
    error = await refusal(database, person(tenant), HISTORY, agent="web-1")
    assert error["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [("1h", "2h", "since"), ("soon", None, "since"), ("1h", "later", "until")],
)
async def test_a_range_that_is_none_is_refused_by_name(
    database: Database, tenant: Tenant, since: str, until: str | None, field: str
) -> None:
    await make_agent(database, tenant, name="web-1")
    error = await refusal(
        database, person(tenant), HISTORY, agent="web-1", since=since, until=until
    )
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)
