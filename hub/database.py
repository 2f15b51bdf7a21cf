"""The database: engine and pool, transactions of one tenant, and the unit of work.

Row-level security decides what a transaction sees, by three settings that last as long as the
transaction. Unset means no rows, never all:

* `monsys.tenant_id`: the tenant whose rows are visible.
* `monsys.user_id`: the person whose own account and memberships are visible.
* `monsys.presented`: a credential's digest, an e-mail address or a client id that the caller
  showed; exactly the row it names is visible. That is how a token finds its tenant.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from hub.lean import LeanPool
from hub.pool import engine_of, open_as, without_connection

__all__ = ["Database", "UnitOfWork", "engine_of", "enter"]

_GRACE_SECONDS = 2.0
_ENTER = text(
    "SELECT set_config('monsys.tenant_id', :tenant_id, true),"
    " set_config('monsys.user_id', :user_id, true),"
    " set_config('monsys.presented', :presented, true)"
)


class Database:
    """The hub's connection pool, under its unprivileged role."""

    def __init__(self, url: str, *, pool_size: int = 12) -> None:
        self.url = url
        self.engine = engine_of(url, pool_size=pool_size)
        # Its connections are held for a millisecond at a time, so half as many do.
        self.lean = LeanPool(url, size=max(2, pool_size // 2))

    @asynccontextmanager
    async def transaction(
        self,
        *,
        tenant_id: UUID | None = None,
        user_id: UUID | None = None,
        presented: str | None = None,
    ) -> AsyncIterator[AsyncSession]:
        """Open a transaction that sees one tenant; commit when the block ends, else roll back."""
        session = AsyncSession(self.engine, expire_on_commit=False, autoflush=False)
        try:
            await session.run_sync(_open, tenant_id, user_id)
            if presented is not None:
                await enter(session, tenant_id=tenant_id, user_id=user_id, presented=presented)
            yield session
            await session.commit()
        finally:
            if session.in_transaction():
                # Not committed. Shielded: a cancelled caller must not keep the connection.
                await asyncio.shield(asyncio.create_task(session.close()))

    async def close(self) -> None:
        """Close all connections."""
        await self.lean.close()
        await self.engine.dispose()


def _open(session: Session, tenant_id: UUID | None, user_id: UUID | None) -> None:
    open_as(session, tenant_id=tenant_id, user_id=user_id)


async def enter(
    session: AsyncSession,
    *,
    tenant_id: UUID | None = None,
    user_id: UUID | None = None,
    presented: str | None = None,
) -> None:
    """Set what the rest of this transaction may see, replacing what it could see before."""
    await session.execute(
        _ENTER,
        {
            "tenant_id": str(tenant_id or ""),
            "user_id": str(user_id or ""),
            "presented": presented or "",
        },
    )


class UnitOfWork:
    """One session for one request, safe to use from concurrent resolvers.

    GraphQL resolves sibling fields concurrently, but an `AsyncSession` (and the connection under
    it) serves one statement at a time. The lock turns that overlap into a queue; data loaders keep
    the queue short. Queries receive the session, never this object, so the lock is not taken twice.
    """

    def __init__(self, session: AsyncSession | None) -> None:
        self._session = session
        self._lock = asyncio.Lock()
        self._is_over = False

    async def run[**P, Result](
        self,
        query: Callable[Concatenate[AsyncSession, P], Awaitable[Result]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        """Run one domain query or command in this unit of work.

        It runs to its end even when nobody waits any more: GraphQL cancels the siblings of a field
        that failed, and a statement that is cut off costs the connection.
        """
        async with self._lock:
            if self._is_over:
                raise RuntimeError("the unit of work is over")
            return await self._run(query, *args, **kwargs)

    async def aside[**P, Result](
        self, asking: Callable[P, Awaitable[Result]], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Ask somebody else than the database, which may take long. Do it before any query.

        The connection is for others meanwhile; only where something was asked already it is not.
        """
        async with self._lock:
            if self._session is None:
                return await asking(*args, **kwargs)
            async with without_connection(self._session):
                return await asking(*args, **kwargs)

    async def _run[**P, Result](
        self,
        query: Callable[Concatenate[AsyncSession, P], Awaitable[Result]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        if self._session is None:
            raise RuntimeError("the unit of work has no session")
        running = asyncio.ensure_future(query(self._session, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await _ended(running)
            raise

    async def finish(self) -> None:
        """Wait for what still runs and let nothing start; call it where an operation failed."""
        async with self._lock:
            self._is_over = True


async def _ended(running: asyncio.Future[Any]) -> None:
    """Return when the query has ended; one that takes too long is cut off after all."""
    await asyncio.wait({running}, timeout=_GRACE_SECONDS)
    running.cancel()
    await asyncio.wait({running})
    if not running.cancelled():
        running.exception()  # seen, so that nobody reports it as lost
