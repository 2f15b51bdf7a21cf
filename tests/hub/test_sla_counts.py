"""Counts that a customer sends become shares of their five minutes."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Forbidden, InvalidInput, NotFound
from hub.sla.commands import create_target
from hub.sla.counts import Count, record_counts
from hub.sla.models import SlaIndicator, SlaObservation
from hub.sla.periods import BUCKET, bucket_of
from hub.tenancy.models import Tenant
from tests.factories import make_agent

NOW = utc_now()
LAST = bucket_of(NOW) - BUCKET


async def send(
    database: Database, tenant: Tenant, *counts: Count, agent_id: UUID | None = None
) -> list[tuple[float, float]]:
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_counts(
            session,
            tenant_id=tenant.id,
            agent_id=agent_id or uuid4(),
            target="Orders",
            counts=counts,
            now=NOW,
        )
        rows = await session.execute(
            select(col(SlaObservation.good_seconds), col(SlaObservation.bad_seconds)).order_by(
                col(SlaObservation.at)
            )
        )
        return [(row[0], row[1]) for row in rows]


async def make(
    database: Database,
    tenant: Tenant,
    indicator: SlaIndicator = SlaIndicator.CUSTOM,
    agent_id: UUID | None = None,
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_target(
            session,
            tenant_id=tenant.id,
            name="Orders",
            indicator=indicator,
            objective=0.99,
            agent_id=agent_id,
        )


async def test_counts_are_shares_of_time_and_none_is_unknown(
    database: Database, tenant: Tenant
) -> None:
    await make(database, tenant)
    # 990 of 1,000 of 300 s are 297; nothing to count is neither good nor bad.
    stored = await send(database, tenant, Count(LAST - BUCKET, 0, 0), Count(LAST, 990, 1000))
    assert stored == [(0, 0), (297, 3)]


async def test_only_the_host_that_a_target_is_about_sends_its_counts(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    await make(database, tenant, agent_id=agent.id)
    with pytest.raises(Forbidden, match="another host"):
        await send(database, tenant, Count(LAST, 1, 1))
    assert await send(database, tenant, Count(LAST, 1, 1), agent_id=agent.id) == [(300, 0)]


async def test_what_the_hub_observes_takes_no_counts(database: Database, tenant: Tenant) -> None:
    await make(database, tenant, SlaIndicator.HTTP_PROBE)
    with pytest.raises(InvalidInput, match="target"):
        await send(database, tenant, Count(LAST, 1, 1))


async def test_counts_are_recent_and_of_a_known_target(database: Database, tenant: Tenant) -> None:
    with pytest.raises(NotFound, match="target"):
        await send(database, tenant, Count(LAST, 1, 1))
    await make(database, tenant)
    for at in (LAST - timedelta(days=8), LAST + timedelta(days=1)):
        with pytest.raises(InvalidInput, match="at"):
            await send(database, tenant, Count(at, 1, 1))
