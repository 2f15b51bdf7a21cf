"""The service levels, through the operation files of Claude and of the dashboard."""

from datetime import timedelta
from typing import Any

from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.principal import Principal
from hub.sla.commands import Observation, create_target, record_observations
from hub.sla.models import SlaIndicator
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import connector, person

TOOL = operations("mcp")["monsys_list_sla_overview"]
DASHBOARD = operations("dashboard")["dashboard_sla"]


async def targets(database: Database, principal: Principal, operation: Any) -> Any:
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        result = await run_operation(operation, {}, Context(UnitOfWork(session), principal))
    assert result.errors is None
    assert result.data is not None
    return result.data["slaOverview"]["targets"]


async def make_day(database: Database, tenant: Tenant) -> None:
    """Store a target of 99 % over a day that was perfect but for a minute in the last hour."""
    now = utc_now()
    last = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0) - timedelta(minutes=5)
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Shop answers",
            indicator=SlaIndicator.HTTP_PROBE,
            objective=0.99,
            window_days=1,
            created_at=now - timedelta(days=30),
        )
        await record_observations(
            session,
            tenant_id=tenant.id,
            observations=[
                Observation(
                    target_id=target.id,
                    at=last - timedelta(minutes=5 * number),
                    good_seconds=270 if number in {2, 3} else 300,
                    bad_seconds=30 if number in {2, 3} else 0,
                )
                for number in range(286)
            ],
        )


async def test_claude_learns_how_close_the_threshold_is(database: Database, tenant: Tenant) -> None:
    await make_day(database, tenant)
    [target] = await targets(database, connector(tenant), TOOL)
    rates = target.pop("burn_rates")
    # 60 of 286 x 300 s were bad: 0.0699 %, of 1 %. A day allows 14.4 minutes.
    assert target == {
        "name": "Shop answers",
        "indicator": "http_probe",
        "agent": None,
        "objective_percent": 99.0,
        "window_days": 1,
        "observed_percent": 99.9301,
        "budget_minutes": 14.4,
        "remaining_minutes": 13.4,
        "state": "met",
        "days_until_exhausted": None,
    }
    assert (rates["last_1d"], rates["last_3d"]) == (0.07, 0.07)
    assert rates["last_1h"] > rates["last_6h"] > rates["last_1d"]


async def test_the_dashboard_shows_every_period(database: Database, tenant: Tenant) -> None:
    await make_day(database, tenant)
    [target] = await targets(database, person(tenant), DASHBOARD)
    assert set(target["burnRates"]) == {
        "fiveMinutes", "halfHour", "hour", "twoHours", "sixHours", "day", "threeDays",
    }  # fmt: skip
    assert (target["consumedMinutes"], target["knownPercent"]) == (1.0, 99.3)


async def test_costs_one_statement_and_shows_nothing_of_others(
    database: Database, tenant: Tenant, other_tenant: Tenant, statements: Statements
) -> None:
    await make_day(database, other_tenant)
    statements.clear()
    assert await targets(database, connector(tenant), TOOL) == []
    assert len(statements) == 1, "\n\n".join(statements)


async def test_what_was_missed_by_a_second_does_not_look_kept(
    database: Database, tenant: Tenant
) -> None:
    now = utc_now()
    last = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0) - timedelta(minutes=5)
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="No entry is lost",
            indicator=SlaIndicator.CUSTOM,
            objective=1.0,
            created_at=now - timedelta(days=90),
        )
        await record_observations(
            session,
            tenant_id=tenant.id,
            observations=[
                Observation(
                    target_id=target.id,
                    at=last - timedelta(minutes=5 * number),
                    good_seconds=300 - (number == 9),
                    bad_seconds=number == 9,
                )
                for number in range(30 * 288 - 2)
            ],
        )
    [shown] = await targets(database, connector(tenant), TOOL)
    # A second of 30 days is 0.00004 %: 99.99996 would be rounded to 100.
    assert (shown["state"], shown["observed_percent"]) == ("breached", 99.9999)


async def test_a_promise_is_shown_as_it_was_made(database: Database, tenant: Tenant) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_target(
            session,
            tenant_id=tenant.id,
            name="Seven nines",
            indicator=SlaIndicator.CUSTOM,
            objective=0.9999999,
        )
    [shown] = await targets(database, connector(tenant), TOOL)
    assert shown["objective_percent"] == 99.99999
