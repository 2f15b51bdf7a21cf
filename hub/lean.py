"""A second, small pool: asyncpg connections with nothing in between, for what every call does.

Checking a connection out through SQLAlchemy, beginning and committing there costs ten times what
asyncpg needs for it, and a tool call does so three times: for its token, its page and its row in
the audit trail. Those statements are prepared and need none of SQLAlchemy's services, so they run
here. Row-level security is the same: the same role, the same settings, opened the same way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import OperationalError

from hub.pool import NOTHING_COMMITTED, SERVER_SETTINGS, opening_of

_ACQUIRE_SECONDS = 10.0
# Shorter than what firewalls keep an idle connection for, so none is found dead.
_IDLE_SECONDS = 60.0


class LeanTransaction:
    """A begun transaction, to be given to prepared statements in a session's place."""

    __slots__ = ("connection",)

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def enter(self, tenant_id: UUID) -> None:
        """Let the rest of the transaction see this tenant instead."""
        await _execute(self.connection, opening_of(tenant_id))


class LeanPool:
    """The connections; they are made when they are first needed."""

    def __init__(self, url: str, *, size: int) -> None:
        self._url = url
        self._size = size
        self._pool: Any = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection outside any transaction: each statement commits by itself."""
        try:
            pool = self._pool or await self._opened()
            connection = await pool.acquire(timeout=_ACQUIRE_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise OperationalError("connect", None, error) from error
        try:
            # The connection itself and not the pool's proxy, which wraps each method.
            yield connection._con  # noqa: SLF001
        finally:
            await pool.release(connection)

    @asynccontextmanager
    async def transaction(
        self, *, tenant_id: UUID, user_id: UUID | None = None
    ) -> AsyncIterator[LeanTransaction]:
        """Open a transaction that sees one tenant; commit when the block ends, else roll back."""
        async with self.connection() as connection:
            await _execute(connection, f"BEGIN;{opening_of(tenant_id, user_id)}")
            yield LeanTransaction(connection)  # after an exception, `_tidy` rolls back
            if await _execute(connection, "COMMIT") != "COMMIT":
                # PostgreSQL answers ROLLBACK when a statement had failed: that is no success.
                failed = asyncpg.InFailedSQLTransactionError(NOTHING_COMMITTED)
                raise OperationalError("COMMIT", None, failed)

    async def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    reset=_tidy,
                    max_inactive_connection_lifetime=_IDLE_SECONDS,
                    server_settings=SERVER_SETTINGS,
                )
        return self._pool


async def _execute(connection: Any, text: str) -> str:
    try:
        status: str = await connection.execute(text)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise OperationalError(text, None, error) from error
    return status


async def _tidy(connection: Any) -> None:
    """Leave nothing of a transaction that did not reach its end; asyncpg calls it on release."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
