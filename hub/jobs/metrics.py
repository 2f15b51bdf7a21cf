"""What keeps the metric history small: hours are added up, old samples and hours are let go."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.partitions import drop_metric_partitions
from hub.fleet.rollups import roll_up_hours, roll_up_late_hours

_log = structlog.get_logger(__name__)
# A transaction that began within an hour may be stored after it, and leaves no mark that it is
# late: it was not. So an hour is added up once all that began within it has ended, on every hub's
# clock.
SETTLED_AFTER = timedelta(minutes=3)
_MAX_TURNS = 2_000  # two years of hours: a history that was there before the first roll-up


async def roll_up_metrics(database: Database, tenant_id: UUID, _slot: datetime) -> bool:
    """Add up the hours of a tenant that are over, and those that got late samples.

    In transactions of a few hours each; whatever was done stays done when the process dies, and
    doing it twice changes nothing.
    """
    for roll_up in (roll_up_hours, roll_up_late_hours):
        for _ in range(_MAX_TURNS):
            async with database.transaction(tenant_id=tenant_id) as session:
                if not await roll_up(session, tenant_id=tenant_id, now=utc_now() - SETTLED_AFTER):
                    break
    return True


def drop_old_samples(retention_days: int) -> Callable[[Database], Awaitable[None]]:
    """Return the chore that drops the partitions which are older than so many days."""

    async def drop(database: Database) -> None:
        before = utc_now().date() - timedelta(days=retention_days)
        try:
            async with database.transaction() as session:
                dropped = await drop_metric_partitions(session, before=before)
        except DBAPIError as error:
            # Somebody reads the oldest day for long; it is dropped the next time.
            _log.warning("samples_not_dropped", error=type(error).__name__)
            return
        if dropped:
            _log.info("samples_dropped", days=dropped, before=before.isoformat())

    return drop
