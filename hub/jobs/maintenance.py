"""Housekeeping that every hub process does: partitions ahead of time, old credentials away.

Each step is safe to run in several processes at once: the database's own locks order them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import override

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.background import Background
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.partitions import make_partitions_ahead

_log = structlog.get_logger(__name__)
_INTERVAL_SECONDS = 6 * 3600
_RETRY_SECONDS = 30

# What the layers above the domain add; the composition root knows them.
type Chore = Callable[[Database], Awaitable[None]]


class Maintenance(Background):
    """Runs once at the start and then every six hours. Use as a context manager."""

    name = "maintenance"

    def __init__(self, database: Database, *, chores: Sequence[Chore] = ()) -> None:
        self._database = database
        self._chores = chores

    @override
    async def run(self) -> None:
        while True:
            try:
                await self.once()
                pause = _INTERVAL_SECONDS
            except (SQLAlchemyError, OSError) as error:
                # The database is away; the hub recovers without a restart, and so do we.
                _log.warning("maintenance_failed", error=type(error).__name__)
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def once(self) -> None:
        """Make the metric partitions of the coming weeks, and do the chores."""
        today = utc_now().date()
        async with self._database.transaction() as session:
            await make_partitions_ahead(session, today=today)
        for chore in self._chores:
            await chore(self._database)
