"""The feed: one connection a process listens, and each change goes to who watches its tenant."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, override
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.background import Background
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.queries import agents_gone_silent
from hub.fleet.status import ONLINE_WITHIN
from hub.live.changes import CHANNEL, Change, ChangeType, Kind, read_change
from hub.live.watch import LiveEnded, Watch

_log = structlog.get_logger(__name__)
_RETRY = timedelta(seconds=2)
_LOOK_FOR_SILENCE_EVERY = timedelta(seconds=5)
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, OSError)
_SETTINGS = {"application_name": "monsys-live", "timezone": "UTC", "jit": "off"}


class LiveFeed(Background):
    """Listens as long as the hub runs. Use as a context manager."""

    name = "live"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: set[Watch] = set()
        self._silent_since: datetime | None = None
        self.is_listening = asyncio.Event()

    @contextlib.contextmanager
    def watch(self, tenant_id: UUID, kind: Kind) -> Iterator[Watch]:
        """Watch one kind of change of one tenant, from now on."""
        if not self.is_listening.is_set():
            raise LiveEnded("Live updates are not available right now; try again in a moment.")
        watch = Watch(tenant_id, kind)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def tell(self, change: Change) -> None:
        """Pass a change on to who watches it: the same tenant, and nobody else."""
        for watch in self._watches:
            if watch.tenant_id == change.tenant_id and watch.kind is change.kind:
                watch.tell(change)

    @override
    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except _AWAY as error:
                _log.warning("live_interrupted", error=type(error).__name__)
            self._interrupt()
            await asyncio.sleep(_RETRY.total_seconds())

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._database.url, server_settings=_SETTINGS)
        is_lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: is_lost.set())
            await connection.add_listener(CHANNEL, self._heard)
            self._silent_since = None
            self.is_listening.set()
            while not is_lost.is_set():
                await self._look_for_silence()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_FOR_SILENCE_EVERY.total_seconds()):
                        await is_lost.wait()
        finally:
            self.is_listening.clear()
            connection.terminate()

    def _heard(self, _connection: Any, _process: int, _channel: str, payload: object) -> None:
        try:
            self.tell(read_change(str(payload)))
        except ValueError:
            # A newer hub on the same database may tell of kinds that this one does not know.
            _log.debug("live_change_not_understood")

    async def _look_for_silence(self) -> None:
        """Tell of agents that went offline: silence writes nothing, so somebody has to look."""
        until = utc_now() - ONLINE_WITHIN
        since, self._silent_since = self._silent_since, until
        tenants = {watch.tenant_id for watch in self._watches if watch.kind is Kind.AGENT}
        if since is None:
            return
        for tenant_id in tenants:
            async with self._database.transaction(tenant_id=tenant_id) as session:
                silent = await agents_gone_silent(session, since=since, until=until)
            for agent_id in silent:
                self.tell(Change(tenant_id, Kind.AGENT, agent_id, ChangeType.OFFLINE))

    def _interrupt(self) -> None:
        for watch in self._watches:
            watch.end(LiveEnded("Live updates were interrupted. Reload, and subscribe again."))
