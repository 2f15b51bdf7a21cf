"""Hourly roll-ups: they say the same as the samples, whenever and however often they are made."""

import asyncio
import random
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select
from sqlmodel import col

from hub.clock import hour_of, utc_now
from hub.database import Database
from hub.fleet import history
from hub.fleet.commands import insert_metric_samples, record_report
from hub.fleet.history import (
    AgentSince,
    MetricPoint,
    MetricSummary,
    Range,
    metric_series,
    metric_summaries,
    step_of,
)
from hub.fleet.metric_models import LateMetricHour, MetricHour, MetricRollUp
from hub.fleet.models import MetricSample
from hub.fleet.reports import AgentReport, Figures, Sample
from hub.fleet.rollups import KEEP_HOURS, forget_old_hours
from hub.jobs import metrics
from hub.jobs.metrics import SETTLED_AFTER, roll_up_metrics
from hub.tenancy.models import Tenant
from tests.factories import make_agent

DAYS = timedelta(days=3)


async def store(database: Database, tenant: Tenant, samples: list[Sample]) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await insert_metric_samples(session, tenant_id=tenant.id, samples=samples)


async def agent_with_history(database: Database, tenant: Tenant, *, seed: int = 1) -> UUID:
    """Return an agent with samples of three days, some of them with figures unknown."""
    agent, random_ = await make_agent(database, tenant), random.Random(seed)  # noqa: S311 - figures
    start = hour_of(utc_now()) - DAYS

    def some(high: float) -> float | None:
        return None if random_.random() < 0.1 else random_.uniform(0, high)

    await store(
        database,
        tenant,
        [
            Sample(
                agent.id,
                start + timedelta(seconds=minute * 60 + random_.uniform(0, 59)),
                *(some(high) for high in (100, 100, 100, 8, 500, 500)),
            )
            for minute in range(0, int(DAYS.total_seconds() // 60), 7)
        ],
    )
    return agent.id


async def summary(database: Database, tenant: Tenant, key: AgentSince) -> MetricSummary | None:
    async with database.transaction(tenant_id=tenant.id) as session:
        return (await metric_summaries(session, [key])).get(key)


async def series(
    database: Database, tenant: Tenant, agent_id: UUID, since: datetime
) -> list[MetricPoint]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await metric_series(session, agent_id=agent_id, since=since, until=utc_now())


async def roll_up(database: Database, tenant: Tenant, *, at: datetime | None = None) -> None:
    """Add up what is over; as a rule at a time at which the last hour is over for long enough."""
    moment = at or hour_of(utc_now()) + SETTLED_AFTER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "utc_now", lambda: moment)
        await roll_up_metrics(database, tenant.id, moment)


def alike(one: Range, other: Range) -> bool:
    """Tell whether two ranges are the same but for the order in which a mean was added up."""
    return (one.low, one.high) == (other.low, other.high) and one.mean == pytest.approx(other.mean)


async def test_a_range_says_the_same_from_hours_as_from_samples(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = await agent_with_history(database, tenant)
    key = AgentSince(agent_id, hour_of(utc_now()) - DAYS)
    monkeypatch.setattr(history, "SAMPLES_FOR", 2 * DAYS)
    from_samples = await summary(database, tenant, key)
    monkeypatch.undo()
    await roll_up(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        # What is added up is not asked for again: without the samples the answer is the same.
        await session.execute(delete(MetricSample).where(col(MetricSample.at) < hour_of(utc_now())))
        assert await session.scalar(select(func.count()).select_from(MetricSample)) == 0

    from_hours = await summary(database, tenant, key)

    assert from_samples is not None
    assert from_hours is not None
    assert from_hours.sample_count == from_samples.sample_count == 618
    for figure in ("cpu_percent", "memory_percent", "disk_percent"):
        assert alike(getattr(from_hours, figure), getattr(from_samples, figure))


async def test_a_series_says_the_same_from_hours_as_from_samples(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = await agent_with_history(database, tenant, seed=2)
    since = hour_of(utc_now()) - DAYS
    from_hours_unrolled = await series(database, tenant, agent_id, since)
    await roll_up(database, tenant)
    from_hours = await series(database, tenant, agent_id, since)
    monkeypatch.setattr(history, "SAMPLES_FOR", 2 * DAYS)
    monkeypatch.setattr(history, "_STEPS", (timedelta(hours=1),))
    from_samples = await series(database, tenant, agent_id, since)

    assert len(from_samples) == 72
    for points in (from_hours, from_hours_unrolled):
        assert [point.at for point in points] == [point.at for point in from_samples]
        for rolled, raw in zip(points, from_samples, strict=True):
            assert rolled.sample_count == raw.sample_count
            assert all(alike(rolled.figures[name], raw.figures[name]) for name in raw.figures)


async def test_the_hour_that_runs_is_answered_from_its_samples(
    database: Database, tenant: Tenant
) -> None:
    agent_id = await agent_with_history(database, tenant)
    await roll_up(database, tenant)
    await store(database, tenant, [Sample(agent_id, utc_now(), cpu_percent=100.0)])
    found = await summary(database, tenant, AgentSince(agent_id, utc_now() - DAYS * 2))
    assert found is not None
    assert (found.sample_count, found.cpu_percent.high) == (619, 100.0)


async def test_adding_up_again_changes_nothing(database: Database, tenant: Tenant) -> None:
    await agent_with_history(database, tenant)

    async def hours() -> list[tuple[object, ...]]:
        async with database.transaction(tenant_id=tenant.id) as session:
            table = MetricHour.__table__  # type: ignore[attr-defined]
            rows = await session.execute(table.select().order_by(table.c.at))
            return [tuple(row) for row in rows]

    await roll_up(database, tenant)
    before = await hours()
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(delete(MetricRollUp))
    await asyncio.gather(roll_up(database, tenant), roll_up(database, tenant))
    assert (len(before), await hours()) == (72, before)


async def test_what_comes_late_reaches_its_hour(database: Database, tenant: Tenant) -> None:
    agent_id = await agent_with_history(database, tenant)
    await roll_up(database, tenant)
    key = AgentSince(agent_id, utc_now() - timedelta(days=6))
    async with database.transaction(tenant_id=tenant.id) as session:
        for days in (1, 5):  # into an hour that has a row, and before the first of them
            at = utc_now() - timedelta(days=days)
            await record_report(
                session,
                tenant_id=tenant.id,
                agent_id=agent_id,
                report=AgentReport(Figures(at=at, cpu_percent=100.0)),
            )
    before = await summary(database, tenant, key)
    await roll_up(database, tenant)
    after = await summary(database, tenant, key)
    assert before is not None
    assert after is not None
    assert (before.sample_count, after.sample_count) == (618, 620)
    assert after.cpu_percent.high == 100.0
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(func.count()).select_from(LateMetricHour)) == 0


async def test_what_is_stored_while_its_hour_ends_is_added_up_with_it(
    database: Database, tenant: Tenant
) -> None:
    agent_id = await agent_with_history(database, tenant)
    over = hour_of(utc_now())
    key = AgentSince(agent_id, over - DAYS)
    report = AgentReport(Figures(at=over - timedelta(seconds=2), cpu_percent=100.0))
    async with database.transaction(tenant_id=tenant.id) as session:
        # It began within the hour, so nothing says that it is late; and it takes its time.
        await record_report(
            session,
            tenant_id=tenant.id,
            agent_id=agent_id,
            report=report,
            received_at=over - timedelta(seconds=1),
        )
        await roll_up(database, tenant, at=over + timedelta(seconds=1))
    await roll_up(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(col(MetricRollUp.rolled_until))) == over
    after = await summary(database, tenant, key)
    assert after is not None
    assert (after.sample_count, after.cpu_percent.high) == (619, 100.0)


async def test_a_host_that_was_away_for_a_day_is_in_its_hours_once(
    database: Database, tenant: Tenant
) -> None:
    agent_id = await agent_with_history(database, tenant)
    key = AgentSince(agent_id, hour_of(utc_now()) - DAYS)
    await roll_up(database, tenant)
    first = hour_of(utc_now()) - timedelta(days=1)
    kept = [Figures(at=first + timedelta(minutes=5 * n), cpu_percent=50.0) for n in range(12 * 24)]
    for turn in range(2):  # the answer to the first was lost, so all of it is sent again
        for some in (kept[:100], kept[100:]):
            async with database.transaction(tenant_id=tenant.id) as session:
                for figures in some:
                    await record_report(
                        session,
                        tenant_id=tenant.id,
                        agent_id=agent_id,
                        report=AgentReport(figures),
                    )
            # While it catches up, hours are added up that it has told one half of.
            await roll_up(database, tenant)
        found = await summary(database, tenant, key)
        assert found is not None
        assert found.sample_count == 618 + len(kept), turn
    async with database.transaction(tenant_id=tenant.id) as session:
        hours = select(func.sum(col(MetricHour.sample_count)))
        assert await session.scalar(hours) == 618 + len(kept)
        assert await session.scalar(select(func.count()).select_from(LateMetricHour)) == 0


async def test_hours_are_kept_for_400_days(database: Database, tenant: Tenant) -> None:
    agent, now = await make_agent(database, tenant), utc_now()
    counts = {name: 1 for name in MetricHour.model_fields if name.endswith("_count")}
    async with database.transaction(tenant_id=tenant.id) as session:
        for at in (now - KEEP_HOURS - timedelta(hours=1), now - KEEP_HOURS + timedelta(hours=1)):
            session.add(MetricHour(tenant_id=tenant.id, agent_id=agent.id, at=at, **counts))
        await session.flush()
        await forget_old_hours(session, now=now)
        assert await session.scalar(select(func.count()).select_from(MetricHour)) == 1


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (timedelta(hours=1), timedelta(minutes=1)),
        (timedelta(hours=24), timedelta(minutes=5)),
        (timedelta(days=7), timedelta(hours=1)),
        (timedelta(days=30), timedelta(hours=4)),
        (timedelta(days=400), timedelta(days=1)),
    ],
)
def test_a_series_has_a_step_that_one_can_see(length: timedelta, step: timedelta) -> None:
    now = utc_now()
    assert step_of(now - length, now) == step
