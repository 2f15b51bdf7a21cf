"""Everybody locks hosts in one order, so that reports and exports about the same ones never ring.

One connection holds the first row of that order. Whoever lands something must then wait for it,
and hold nothing yet of what comes later.
"""

import asyncio
from collections.abc import Callable, Coroutine
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.landing import Measured, PlainReport, land_measured, land_reports
from hub.fleet.models import Agent, AgentLatest
from hub.fleet.partitions import Partitions
from hub.fleet.reports import Figures
from hub.ingest.foreign.otlp.latest import newest_figures
from hub.lean import LeanTransaction
from hub.pool import begun_connection
from hub.tenancy.models import Tenant
from tests.signed_agent import SignedAgent, enrolled_agent

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
# Rows are found as they were written: which index a plan takes depends on how many there are.
_WITHOUT_INDEXES = (
    "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;"
    " SET LOCAL enable_indexonlyscan = off"
)
type Land = Callable[[Database, list[SignedAgent]], Coroutine[None, None, None]]


def figures() -> Figures:
    return Figures(utc_now(), cpu_percent=1.0)


async def reports(database: Database, agents: list[SignedAgent]) -> None:
    await _land_reports(database, agents, figures())


async def heartbeats(database: Database, agents: list[SignedAgent]) -> None:
    await _land_reports(database, agents, None)


async def _land_reports(
    database: Database, agents: list[SignedAgent], told: Figures | None
) -> None:
    tenant_id = agents[0].tenant_id
    async with database.lean.transaction(tenant_id=tenant_id) as transaction:
        await transaction.connection.execute(_WITHOUT_INDEXES)
        landed = await land_reports(
            transaction,
            tenant_id=tenant_id,
            reports=[PlainReport(one.key_digest, one.sequence + 1, told) for one in agents],
            partitions=Partitions(),
            now=utc_now(),
        )
    assert len(landed) == len(agents)


async def export(database: Database, agents: list[SignedAgent]) -> None:
    tenant_id = agents[0].tenant_id
    async with database.transaction(tenant_id=tenant_id) as session:
        told = {one.agent_id: [figures()] for one in agents}
        latest = await newest_figures(session, tenant_id=tenant_id, told=told)
        await _land_measured(session, tenant_id, latest)


async def measured(database: Database, agents: list[SignedAgent]) -> None:
    tenant_id = agents[0].tenant_id
    async with database.transaction(tenant_id=tenant_id) as session:
        await _land_measured(session, tenant_id, {one.agent_id: figures() for one in agents})


async def _land_measured(
    session: AsyncSession, tenant_id: UUID, latest: dict[UUID, Figures]
) -> None:
    transaction = LeanTransaction(await begun_connection(session))
    await transaction.connection.execute(_WITHOUT_INDEXES)
    await land_measured(
        transaction,
        tenant_id=tenant_id,
        measured=Measured([], latest),
        partitions=Partitions(),
        now=utc_now(),
    )


async def crossed_pair(database: Database, tenant: Tenant) -> list[SignedAgent]:
    """Return two hosts by id; by key, and as they were enrolled, they are the other way round."""
    async with database.transaction(tenant_id=tenant.id) as session:
        (await session.get_one(Tenant, tenant.id)).server_limit = 1_000
    while True:
        last, first = [await enrolled_agent(database, tenant.id) for _ in range(2)]
        if first.agent_id < last.agent_id and first.key_digest > last.key_digest:
            return [first, last]


async def someone_waits(database: Database) -> None:
    async with asyncio.timeout(10):
        while True:
            async with database.transaction() as session:
                if await session.scalar(_WAITING):
                    return
            await asyncio.sleep(0.02)


async def hold(session: AsyncSession, table: type[Agent | AgentLatest], agent_id: UUID) -> None:
    """Lock the row; raise when somebody else has it."""
    key = col(table.id if issubclass(table, Agent) else table.agent_id)
    locked = await session.scalar(select(key).where(key == agent_id).with_for_update(nowait=True))
    assert locked == agent_id


@pytest.mark.parametrize("land", [reports, export, measured])
async def test_whoever_lands_figures_takes_what_is_newest_of_hosts_by_id(
    database: Database, tenant: Tenant, land: Land
) -> None:
    agents = await crossed_pair(database, tenant)
    first, second = (one.agent_id for one in agents)
    await measured(database, agents)
    async with database.transaction(tenant_id=tenant.id) as session:
        await hold(session, AgentLatest, first)
        landing = asyncio.create_task(land(database, agents))
        await someone_waits(database)
        await hold(session, AgentLatest, second)
        await hold(session, Agent, second)
        await hold(session, Agent, first)
    await landing


# Reports with figures have locked what is newest of their hosts by then, so nobody is in their way.
@pytest.mark.parametrize("land", [heartbeats, export, measured])
async def test_whoever_says_that_hosts_are_alive_takes_them_by_id(
    database: Database, tenant: Tenant, land: Land
) -> None:
    agents = await crossed_pair(database, tenant)
    first, second = (one.agent_id for one in agents)
    await measured(database, agents)
    async with database.transaction(tenant_id=tenant.id) as session:
        await hold(session, Agent, first)
        landing = asyncio.create_task(land(database, agents))
        await someone_waits(database)
        await hold(session, Agent, second)
    await landing


async def test_exports_and_reports_about_the_same_hosts_never_ring(
    database: Database, tenant: Tenant
) -> None:
    agents = await crossed_pair(database, tenant)
    await measured(database, agents)
    for _ in range(15):
        # Each raises when PostgreSQL ends it because of a deadlock.
        await asyncio.gather(
            reports(database, agents), export(database, agents), measured(database, agents)
        )
        for one in agents:
            one.sequence += 1
