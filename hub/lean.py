"""A second, small pool: asyncpg connections with nothing in between, for what every call does.

Checking a connection out through SQLAlchemy, beginning and committing there costs five times what
asyncpg needs for it, and a tool call does so three times: for its token, its page and its row in
the audit trail. Those statements are prepared and need none of SQLAlchemy's services, so they run
here. Row-level security is the same: the same role and the same settings, opened the same way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import OperationalError

from hub.pool import ASK_AFTER_IDLE_SECONDS, NOTHING_COMMITTED, SERVER_SETTINGS, opening_of

# InternalClientError: the server's last words have arrived, and nobody was waiting for them.
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_WAIT_SECONDS = 10.0


class LeanTransaction:
    """A begun transaction, to be given to prepared statements in a session's place."""

    __slots__ = ("connection",)

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def enter(self, tenant_id: UUID) -> None:
        """Let the rest of the transaction see this tenant instead."""
        await _execute(self.connection, opening_of(tenant_id))


class LeanPool:
    """The connections; each is made when it is first needed."""

    def __init__(self, url: str, *, size: int) -> None:
        self._url = url
        self._free = asyncio.Semaphore(size)
        self._idle: list[tuple[Any, float]] = []  # the one used last is taken first
        self._is_closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection outside any transaction: each statement commits by itself."""
        connection = await self._taken()
        try:
            yield connection
        except BaseException:
            self._end(connection)
            raise
        self._give_back(connection)

    @asynccontextmanager
    async def transaction(
        self, *, tenant_id: UUID, user_id: UUID | None = None
    ) -> AsyncIterator[LeanTransaction]:
        """Open a transaction that sees one tenant; commit when the block ends, else roll back."""
        connection = await self._taken()
        try:
            await _execute(connection, f"BEGIN;{opening_of(tenant_id, user_id)}")
            yield LeanTransaction(connection)
            if await _execute(connection, "COMMIT") != "COMMIT":
                raise _nothing_committed()  # noqa: TRY301 - ended like any other failure
        except BaseException:
            self._end(connection)
            raise
        self._give_back(connection)

    async def close(self) -> None:
        """Close the connections; those in use are closed when they come back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await connection.close()

    async def _taken(self) -> Any:
        if self._free.locked():
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            return await self._living()
        except BaseException as error:
            self._free.release()
            if isinstance(error, LOST):
                raise OperationalError("connect", None, error) from error
            raise

    async def _living(self) -> Any:
        while self._idle:
            connection, returned_at = self._idle.pop()
            # The event loop has usually seen the server hang up; a firewall tells nobody.
            if connection.is_closed():
                continue
            if monotonic() - returned_at < ASK_AFTER_IDLE_SECONDS or await _answers(connection):
                return connection
        self._is_closed = False
        return await asyncpg.connect(self._url, server_settings=SERVER_SETTINGS)

    def _give_back(self, connection: Any) -> None:
        if self._is_closed:
            connection.terminate()
        else:
            self._idle.append((connection, monotonic()))
        self._free.release()

    def _end(self, connection: Any) -> None:
        """Let go of a connection whose state is not known: its transaction ends with it.

        Cancelled or broken in the midst of something, which is rare; making a new one takes a few
        milliseconds, and finding out what the old one sees would have to be right each time.
        """
        connection.terminate()
        self._free.release()


async def _answers(connection: Any) -> bool:
    try:
        await connection.execute("SELECT 1", timeout=_WAIT_SECONDS)
    except (OSError, *LOST):
        connection.terminate()
        return False
    except BaseException:
        connection.terminate()
        raise
    return True


def _nothing_committed() -> OperationalError:
    """PostgreSQL answers COMMIT with ROLLBACK when a statement had failed: that is no success."""
    failed = asyncpg.InFailedSQLTransactionError(NOTHING_COMMITTED)
    return OperationalError("COMMIT", None, failed)


async def _execute(connection: Any, text: str) -> str:
    try:
        status: str = await connection.execute(text)
    except LOST as error:
        raise OperationalError(text, None, error) from error
    return status
