"""What others measured lands by COPY, whatever else its transaction does, and each moment once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlmodel import col

from hub.clock import hour_of, utc_now
from hub.database import Database
from hub.fleet import landing as fleet_landing
from hub.fleet.landing import COPY_FROM_ROWS, Measured, land_measured
from hub.fleet.metric_models import LateMetricHour
from hub.fleet.models import Agent, AgentLatest, MetricSample
from hub.fleet.partitions import Partition, Partitions
from hub.fleet.reports import Figures, Sample
from hub.lean import LeanTransaction
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import make_agent, make_tenant
from tests.hub.reporting import stored_samples

MANY = COPY_FROM_ROWS * 3


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return what fills with how many samples each COPY wrote."""
    counts: list[int] = []
    copy = fleet_landing._copy

    async def counted(
        transaction: LeanTransaction,
        tenant_id: UUID,
        samples: Sequence[Sample],
        partitions: Partitions,
    ) -> None:
        await copy(transaction, tenant_id, samples, partitions)
        counts.append(len(samples))

    monkeypatch.setattr(fleet_landing, "_copy", counted)
    return counts


async def land(
    database: Database, tenant: Tenant, measured: Measured, partitions: Partitions | None = None
) -> None:
    async with database.lean.transaction(tenant_id=tenant.id) as transaction:
        await land_measured(
            transaction,
            tenant_id=tenant.id,
            measured=measured,
            partitions=partitions or Partitions(),
            now=utc_now(),
        )


def back(agent_id: UUID, count: int, **figures: float) -> list[Sample]:
    """Return samples of one host, one a second, the newest first."""
    now = utc_now()
    return [
        Sample(agent_id, now - timedelta(seconds=number), cpu_percent=float(number), **figures)
        for number in range(count)
    ]


async def percents(database: Database, tenant: Tenant) -> list[float | None]:
    async with database.transaction(tenant_id=tenant.id) as session:
        told = select(col(MetricSample.cpu_percent)).order_by(col(MetricSample.at).desc())
        return list(await session.scalars(told))


@pytest.mark.parametrize(("count", "copies"), [(3, []), (MANY, [MANY])])
async def test_it_lands_with_what_is_newest(
    database: Database, tenant: Tenant, copied: list[int], count: int, copies: list[int]
) -> None:
    agent = await make_agent(database, tenant)
    samples = back(agent.id, count)
    newest = {agent.id: Figures(samples[0].at, cpu_percent=0.0)}
    await land(database, tenant, Measured([*samples, samples[0]], newest))
    assert copied == copies
    assert await percents(database, tenant) == [float(number) for number in range(count)]
    async with database.transaction(tenant_id=tenant.id) as session:
        kept = await session.get_one(AgentLatest, (tenant.id, agent.id))
        known = await session.get_one(Agent, (tenant.id, agent.id))
    assert (kept.at, kept.cpu_percent) == (samples[0].at, 0.0)
    assert known.last_seen_at == samples[0].at


async def test_moments_that_are_there_already_stay_and_take_no_others_along(
    database: Database, tenant: Tenant, copied: list[int]
) -> None:
    agent = await make_agent(database, tenant)
    samples = back(agent.id, MANY)
    await land(database, tenant, Measured([samples[7]._replace(cpu_percent=99.0)]))
    for _ in range(2):
        await land(database, tenant, Measured(samples))
    assert copied == []
    expected = [float(number) for number in range(MANY)]
    expected[7] = 99.0
    assert await percents(database, tenant) == expected


async def test_of_two_for_one_moment_the_first_counts_and_is_copied(
    database: Database, tenant: Tenant, copied: list[int]
) -> None:
    agent = await make_agent(database, tenant)
    samples = back(agent.id, MANY)
    later = [sample._replace(cpu_percent=50.0) for sample in samples]
    await land(database, tenant, Measured([*samples, *later]))
    assert copied == [MANY]
    assert await percents(database, tenant) == [float(number) for number in range(MANY)]


async def test_what_the_transaction_did_before_stays_when_copy_fails(
    database: Database, tenant: Tenant, copied: list[int]
) -> None:
    agent, samples = await make_agent(database, tenant), []
    samples = back(agent.id, MANY)
    await land(database, tenant, Measured(samples[:1]))
    async with database.lean.transaction(tenant_id=tenant.id) as transaction:
        await transaction.connection.execute(
            "UPDATE agents SET os_name = 'Before' WHERE id = $1", agent.id
        )
        await land_measured(
            transaction,
            tenant_id=tenant.id,
            measured=Measured(samples),
            partitions=Partitions(),
            now=utc_now(),
        )
    assert copied == []
    async with database.transaction(tenant_id=tenant.id) as session:
        assert (await session.get_one(Agent, (tenant.id, agent.id))).os_name == "Before"
    assert await stored_samples(database, tenant.id) == MANY


async def test_a_partition_that_is_gone_is_looked_up_anew(
    database: Database, tenant: Tenant, copied: list[int]
) -> None:
    agent, now = await make_agent(database, tenant), utc_now()
    partitions = Partitions()
    partitions._known = [
        Partition(now - timedelta(days=1), now + timedelta(days=1), "metric_samples_gone")
    ]
    for _ in range(2):
        await land(database, tenant, Measured(back(agent.id, MANY)), partitions)
    assert copied == [MANY]  # the second time it is known where
    assert await stored_samples(database, tenant.id) == 2 * MANY


async def test_what_a_transaction_made_and_lost_is_not_remembered(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    partitions, at = Partitions(), utc_now() + timedelta(days=700)

    async def make_and_fail() -> None:
        async with database.lean.transaction(tenant_id=tenant.id) as transaction:
            await partitions.of(transaction, at)
            raise RuntimeError("no commit")

    with pytest.raises(RuntimeError, match="no commit"):
        await make_and_fail()
    await land(database, tenant, Measured([Sample(agent.id, at, cpu_percent=1.0)]), partitions)
    assert await stored_samples(database, tenant.id) == 1


@pytest.mark.parametrize("order", [1, -1])
async def test_two_that_land_the_same_at_once_store_it_once(
    database: Database, order: int, copied: list[int]
) -> None:
    tenant = await make_tenant(database)
    hosts = [(await make_agent(database, tenant)).id for _ in range(4)]
    samples = [sample for host in hosts for sample in back(host, MANY)]
    await asyncio.gather(
        *(land(database, tenant, Measured(told)) for told in (samples, samples[::order]))
    )
    assert copied == [len(samples)]  # the other one found them there
    assert await stored_samples(database, tenant.id) == len(samples)


async def test_many_days_of_one_host_are_a_few_statements(
    database: Database, tenant: Tenant, statements: Statements, copied: list[int]
) -> None:
    agent, now = await make_agent(database, tenant), utc_now()
    samples = [
        Sample(agent.id, now - timedelta(minutes=10 * number), cpu_percent=1.0)
        for number in range(900)  # more than six days of them
    ]
    partitions = Partitions()
    statements.clear()
    await land(database, tenant, Measured(samples, {agent.id: Figures(now)}), partitions)
    assert copied == [900]
    # Which partitions there are, what is newest, and which hours are late.
    assert len(statements) == 3
    async with database.transaction(tenant_id=tenant.id) as session:
        hours = set(await session.scalars(select(col(LateMetricHour.at))))
    assert hours == {hour_of(one.at) for one in samples if one.at < hour_of(utc_now())}


async def test_what_is_refused_otherwise_is_an_error_and_stores_nothing(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    """A row that is not the tenant's own: COPY's way must not be a way round."""
    agent = await make_agent(database, other_tenant)
    with pytest.raises(OperationalError):
        async with database.lean.transaction(tenant_id=tenant.id) as transaction:
            await land_measured(
                transaction,
                tenant_id=other_tenant.id,
                measured=Measured(back(agent.id, MANY)),
                partitions=Partitions(),
                now=utc_now(),
            )
    assert await stored_samples(database, other_tenant.id) == 0
