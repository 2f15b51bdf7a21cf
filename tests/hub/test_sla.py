"""Service levels in the database: observations in, standings out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.database import Database
from hub.errors import InvalidInput
from hub.sla.budget import SlaState
from hub.sla.commands import Observation, create_target, record_observations
from hub.sla.models import SlaIndicator, SlaTarget
from hub.sla.queries import SlaStanding, sla_standings
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import make_agent

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
BUCKET = timedelta(minutes=5)


async def make_target(database: Database, tenant: Tenant, **columns: Any) -> SlaTarget:
    """Store a target of 99 % over one day, a year old."""
    fields: dict[str, Any] = {
        "name": "Shop",
        "indicator": SlaIndicator.HTTP_PROBE,
        "objective": 0.99,
        "window_days": 1,
        "created_at": NOW - timedelta(days=365),
    } | columns
    async with database.transaction(tenant_id=tenant.id) as session:
        return await create_target(session, tenant_id=tenant.id, **fields)


async def observe(
    database: Database,
    target: SlaTarget,
    *,
    first: int,
    last: int,
    good: float = 300,
    bad: float = 0,
) -> None:
    """Store observations for the buckets that start `first` to `last` buckets before now."""
    observations = [
        Observation(
            target_id=target.id, at=NOW - number * BUCKET, good_seconds=good, bad_seconds=bad
        )
        for number in range(last, first + 1)
    ]
    async with database.transaction(tenant_id=target.tenant_id) as session:
        await record_observations(session, tenant_id=target.tenant_id, observations=observations)


async def standings(database: Database, tenant: Tenant) -> list[SlaStanding]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await sla_standings(session, now=NOW)


async def test_a_day_of_buckets_becomes_budget_and_burn_rates(
    database: Database, tenant: Tenant
) -> None:
    target = await make_target(database, tenant)
    await observe(database, target, first=288, last=1)  # one day has 288 buckets
    await observe(database, target, first=12, last=12, good=180, bad=120)
    [standing] = await standings(database, tenant)
    budget = standing.budget
    # One day allows 1440 x 0.01 = 14.4 minutes; 2 are spent: 120 of 86,400 s.
    assert budget.budget_minutes == pytest.approx(14.4)
    assert budget.remaining_minutes == pytest.approx(12.4)
    assert budget.observed_share == pytest.approx(1 - 120 / 86_400)
    # 120 of 3,600 s in the last hour is 3.33 %, over 1 %; none of it in the last half hour.
    assert budget.burn_rates["1h"] == pytest.approx(120 / 3600 / 0.01)
    assert budget.burn_rates["6h"] == pytest.approx(120 / 21_600 / 0.01)
    assert budget.burn_rates["30m"] == 0
    assert budget.state is SlaState.MET


async def test_what_lies_before_the_window_or_after_now_does_not_count(
    database: Database, tenant: Tenant
) -> None:
    target = await make_target(database, tenant)
    await observe(database, target, first=288, last=1)
    await observe(database, target, first=300, last=289, good=0, bad=300)
    await observe(database, target, first=0, last=-3, good=0, bad=300)
    [standing] = await standings(database, tenant)
    assert (standing.budget.observed_share, standing.budget.known_share) == (1.0, 1.0)


async def test_a_newer_word_about_the_same_five_minutes_replaces(
    database: Database, tenant: Tenant
) -> None:
    target = await make_target(database, tenant)
    await observe(database, target, first=288, last=1, good=0, bad=300)
    await observe(database, target, first=288, last=1)
    [standing] = await standings(database, tenant)
    assert standing.budget.observed_share == 1.0


async def test_gaps_are_unknown_and_not_up(database: Database, tenant: Tenant) -> None:
    target = await make_target(database, tenant)
    await observe(database, target, first=288, last=29)  # 28 of 288 buckets are missing
    [standing] = await standings(database, tenant)
    assert standing.budget.known_share == pytest.approx(260 / 288)
    assert (standing.budget.observed_share, standing.budget.state) == (1.0, SlaState.UNKNOWN)


async def test_a_target_without_observations_is_unknown(database: Database, tenant: Tenant) -> None:
    await make_target(database, tenant)
    [standing] = await standings(database, tenant)
    assert (standing.budget.observed_share, standing.budget.state) == (None, SlaState.UNKNOWN)


async def test_imported_history_counts_for_a_target_made_today(
    database: Database, tenant: Tenant
) -> None:
    target = await make_target(database, tenant, created_at=NOW)
    await observe(database, target, first=144, last=1)
    [standing] = await standings(database, tenant)
    assert standing.budget.known_share == 1.0
    assert standing.budget.budget_minutes == pytest.approx(7.2)  # half a day x 1 %


async def test_targets_in_trouble_come_first_with_the_name_of_their_host(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    fine = await make_target(database, tenant, name="fine", agent_id=agent.id)
    missed = await make_target(database, tenant, name="missed")
    await make_target(database, tenant, name="silent")
    await observe(database, fine, first=288, last=1)
    await observe(database, missed, first=288, last=1, good=290, bad=10)
    found = await standings(database, tenant)
    assert [(one.name, one.budget.state, one.agent_name) for one in found] == [
        ("missed", SlaState.BREACHED, None),
        ("silent", SlaState.UNKNOWN, None),
        ("fine", SlaState.MET, "web-1"),
    ]


async def test_many_targets_are_one_statement(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    for number in range(5):
        await make_target(database, tenant, name=str(number))
    statements.clear()
    assert len(await standings(database, tenant)) == 5
    assert len(statements) == 1, "\n\n".join(statements)


async def test_another_tenant_sees_no_target(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_target(database, tenant)
    assert await standings(database, other_tenant) == []


@pytest.mark.parametrize("objective", [0, -0.1, 1.001, 99.9])
async def test_an_objective_is_a_share(
    objective: float, database: Database, tenant: Tenant
) -> None:
    with pytest.raises(InvalidInput, match="objective"):
        await make_target(database, tenant, objective=objective)


async def test_observations_start_on_five_minutes(database: Database, tenant: Tenant) -> None:
    target = await make_target(database, tenant)
    crooked = Observation(
        target_id=target.id, at=NOW + timedelta(seconds=1), good_seconds=300, bad_seconds=0
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        with pytest.raises(InvalidInput, match="start of five minutes"):
            await record_observations(session, tenant_id=tenant.id, observations=[crooked])
