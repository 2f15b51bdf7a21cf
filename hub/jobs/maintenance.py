"""Housekeeping that every hub process does: partitions ahead of time, old credentials away.

Each step is safe to run in several processes at once: the database's own locks order them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.commands import ensure_metric_partitions

_log = structlog.get_logger(__name__)
_INTERVAL_SECONDS = 6 * 3600
_RETRY_SECONDS = 30
_DAYS_BACK, _DAYS_AHEAD = 8, 30

# What the layers above the domain add; the composition root knows them.
type Chore = Callable[[Database], Awaitable[None]]


class Maintenance:
    """Runs once at the start and then every six hours. Use as a context manager."""

    def __init__(self, database: Database, *, chores: Sequence[Chore] = ()) -> None:
        self._database = database
        self._chores = chores
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="maintenance")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
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
            await ensure_metric_partitions(
                session,
                first_day=today - timedelta(days=_DAYS_BACK),
                last_day=today + timedelta(days=_DAYS_AHEAD),
            )
        for chore in self._chores:
            await chore(self._database)
