"""What the hub does about foreign sources on its own: quiet alerts end, old rows go."""

from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.ingest.foreign.observations import close_quiet_observations
from hub.ingest.foreign.periods import KEEP_PERIODS, forget_old_periods
from hub.tenancy.models import Tenant

_EVERY_TENANT = "*"  # what row-level security calls all of them
_LONGEST = timedelta(seconds=30)


async def keep_foreign_alerts(database: Database) -> None:
    """Resolve what was quiet for a day, and forget periods that ended long ago."""
    async with database.transaction(presented=_EVERY_TENANT) as session:
        tenants = (await session.scalars(select(col(Tenant.id)).order_by(col(Tenant.id)))).all()
    for tenant_id in tenants:
        started_at = utc_now()
        closed = 1
        while closed and utc_now() - started_at < _LONGEST:
            async with database.transaction(tenant_id=tenant_id) as session:
                closed = await close_quiet_observations(session, tenant_id=tenant_id, now=utc_now())
        async with database.transaction(tenant_id=tenant_id) as session:
            await forget_old_periods(session, before=utc_now() - KEEP_PERIODS)
