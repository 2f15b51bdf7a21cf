"""Landing: what arrives together shares a commit, and shares nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import delete, select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Unavailable
from hub.fleet import landing as fleet_landing
from hub.fleet.landing import COPY_FROM_ROWS, PlainReport
from hub.fleet.models import Agent, AgentLatest, MetricSample
from hub.fleet.partitions import Partitions
from hub.fleet.reports import Figures, FileSystem, Sample
from hub.ingest import landing as landing_module
from hub.ingest.landing import Landing
from hub.lean import LeanTransaction
from hub.tenancy.models import Tenant
from tests.factories import make_tenant
from tests.hub.reporting import stored_samples
from tests.signed_agent import SignedAgent, enrolled_agent


@pytest_asyncio.fixture
async def landing(database: Database) -> AsyncIterator[Landing]:
    async with Landing(database) as open_landing:
        yield open_landing


@pytest_asyncio.fixture
async def wide_tenant(database: Database) -> Tenant:
    return await make_tenant(database, server_limit=1_000)


async def enrolled(database: Database, tenant: Tenant, count: int) -> list[SignedAgent]:
    return [await enrolled_agent(database, tenant.id) for _ in range(count)]


def plain(agent: SignedAgent, **figures: float) -> PlainReport:
    agent.sequence += 1
    told = Figures(utc_now(), disks=[FileSystem("/", 55.0)], **figures)
    return PlainReport(agent.key_digest, agent.sequence, told)


async def latest(database: Database, agent: SignedAgent) -> AgentLatest | None:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        return await session.get(AgentLatest, (agent.tenant_id, agent.agent_id))


async def test_many_hosts_land_by_copy_and_each_row_is_its_own_hosts(
    landing: Landing, database: Database, wide_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[int] = []
    copy = fleet_landing._copy

    async def counted(
        transaction: LeanTransaction,
        tenant_id: UUID,
        samples: Sequence[Sample],
        partitions: Partitions,
    ) -> None:
        copied.append(len(samples))
        await copy(transaction, tenant_id, samples, partitions)

    monkeypatch.setattr("hub.fleet.landing._copy", counted)
    agents = await enrolled(database, wide_tenant, COPY_FROM_ROWS)
    reports = [plain(agent, cpu_percent=float(n), load15=n / 8) for n, agent in enumerate(agents)]
    landed = await asyncio.gather(*(landing.report(wide_tenant.id, one) for one in reports))

    assert landed == [True] * COPY_FROM_ROWS
    assert copied == [COPY_FROM_ROWS]
    async with database.transaction(tenant_id=wide_tenant.id) as session:
        rows = await session.execute(
            select(col(MetricSample.agent_id), col(MetricSample.cpu_percent))
        )
        stored = {agent_id: percent for agent_id, percent in rows}  # noqa: C416 - rows, not pairs
    assert stored == {agent.agent_id: float(n) for n, agent in enumerate(agents)}
    for number, agent in enumerate(agents):
        kept = await latest(database, agent)
        assert kept is not None
        assert (kept.cpu_percent, kept.load15, kept.disk_percent) == (number, number / 8, 55.0)


async def test_tenants_that_share_a_commit_share_nothing_else(
    landing: Landing, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    mine, foreign = [await enrolled_agent(database, each.id) for each in (tenant, other_tenant)]
    lost = plain(foreign)
    landed = await asyncio.gather(
        landing.report(tenant.id, plain(mine)),
        landing.report(other_tenant.id, plain(foreign)),
        # A key of one tenant under the name of the other's is nobody's.
        landing.report(tenant.id, lost._replace(sequence=foreign.sequence + 9)),
    )
    assert list(landed) == [True, True, False]
    assert await stored_samples(database, tenant.id) == 1
    assert await stored_samples(database, other_tenant.id) == 1


async def test_of_one_hosts_reports_each_lands_in_its_turn(
    landing: Landing, database: Database, tenant: Tenant
) -> None:
    (agent,) = await enrolled(database, tenant, 1)
    reports = [plain(agent, cpu_percent=float(number)) for number in range(6)]
    landed = await asyncio.gather(*(landing.report(tenant.id, one) for one in reports))
    assert landed == [True] * 6
    kept = await latest(database, agent)
    assert kept is not None
    assert kept.cpu_percent == 5.0


async def test_one_that_cannot_be_stored_does_not_take_the_others_along(
    landing: Landing, database: Database, wide_tenant: Tenant
) -> None:
    agents = await enrolled(database, wide_tenant, 8)
    reports = [plain(agent) for agent in agents]
    told = reports[3].figures
    assert told is not None
    bad = Figures(told.at, disks=[FileSystem("\u0000", 1.0)])  # PostgreSQL has no U+0000 in JSON
    reports[3] = reports[3]._replace(figures=bad)
    landed = await asyncio.gather(*(landing.report(wide_tenant.id, one) for one in reports))
    assert landed == [True, True, True, False, True, True, True, True]


async def test_moments_that_are_there_already_do_not_take_the_others_along(
    landing: Landing, database: Database, wide_tenant: Tenant
) -> None:
    agents = await enrolled(database, wide_tenant, COPY_FROM_ROWS + 5)
    reports = [plain(agent) for agent in agents]
    assert await landing.report(wide_tenant.id, reports[7])
    again = [one._replace(sequence=one.sequence + 1) for one in reports]
    landed = await asyncio.gather(*(landing.report(wide_tenant.id, one) for one in again))
    assert set(landed) == {True}
    assert await stored_samples(database, wide_tenant.id) == len(agents)


async def test_a_host_that_was_deleted_meanwhile_is_said_to_be_gone(
    landing: Landing, database: Database, tenant: Tenant
) -> None:
    (agent,) = await enrolled(database, tenant, 1)
    report = plain(agent)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(delete(Agent).where(col(Agent.id) == agent.agent_id))
    assert not await landing.report(tenant.id, report)
    assert await stored_samples(database, tenant.id) == 0


# --- while it cannot --------------------------------------------------------------------------


async def test_what_waits_when_the_hub_stops_is_refused_and_not_forgotten(
    database: Database, tenant: Tenant
) -> None:
    (agent,) = await enrolled(database, tenant, 1)
    async with Landing(database) as landing:
        waiting = asyncio.create_task(landing.report(tenant.id, plain(agent)))
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await landing.report(tenant.id, plain(agent))


async def test_more_than_the_hub_can_hold_is_refused_and_what_it_holds_lands(
    landing: Landing,
    database: Database,
    wide_tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landing_module, "MAX_WAITING_REPORTS", 4)
    agents = await enrolled(database, wide_tenant, 10)
    answers = await asyncio.gather(
        *(landing.report(wide_tenant.id, plain(agent)) for agent in agents), return_exceptions=True
    )
    assert answers.count(True) == 4
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 6
    assert await stored_samples(database, wide_tenant.id) == 4


async def test_a_host_that_hangs_up_has_its_report_landed(
    landing: Landing, database: Database, tenant: Tenant
) -> None:
    (agent,) = await enrolled(database, tenant, 1)
    waiting = asyncio.create_task(landing.report(tenant.id, plain(agent)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    # Lands after it, as it came after it: of one host each report has its turn.
    assert await landing.report(tenant.id, plain(agent))
    assert await stored_samples(database, tenant.id) == 2
