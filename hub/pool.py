"""The connection pool: transactions that open in one round trip, dead connections replaced.

A call is a handful of round trips to PostgreSQL, and each costs more than the statement in it. So
BEGIN and the settings of row-level security travel together, and a connection is asked whether it
lives only when it has been idle long enough for a firewall to have dropped it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

ASK_AFTER_IDLE_SECONDS = 15.0
_RETURNED_AT = "monsys_returned_at"
_ADAPTER = "monsys_adapter"
_OPENED_AS = "monsys_opened_as"
NOTHING_COMMITTED = "a statement failed; nothing was committed"
SERVER_SETTINGS = {"application_name": "monsys-hub", "timezone": "UTC", "jit": "off"}


def engine_of(url: str, *, pool_size: int) -> AsyncEngine:
    """Return the asyncpg engine of a postgresql:// URL."""
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # A failed statement is logged without its values: they may be a tool's raw arguments.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "connection_class": HubConnection,
            "server_settings": SERVER_SETTINGS,
        },
    )
    _replace_dead_connections(engine)
    return engine


class HubConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg ships no types
    """A connection whose next transaction opens with settings that last as long as it does."""

    __slots__ = ("opening",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.opening = ""

    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
    ) -> Any:
        """Return what SQLAlchemy starts before the first statement, and ends at the end."""
        if isolation is not None or readonly or deferrable:
            return super().transaction(
                isolation=isolation, readonly=readonly, deferrable=deferrable
            )
        opening, self.opening = self.opening, ""
        return HubTransaction(self, opening)


class HubTransaction:
    """A transaction of the server's default isolation: asyncpg's, with an opening."""

    def __init__(self, connection: HubConnection, opening: str) -> None:
        self._connection = connection
        self._opening = opening

    async def start(self) -> None:
        """Begin; what the transaction may see is settled in the same round trip."""
        await self._connection.execute(f"BEGIN;{self._opening}")

    async def commit(self) -> None:
        """Commit. PostgreSQL answers ROLLBACK when a statement had failed: that is no success."""
        if await self._connection.execute("COMMIT") != "COMMIT":
            raise asyncpg.InFailedSQLTransactionError(NOTHING_COMMITTED)

    async def rollback(self) -> None:
        """Undo everything."""
        await self._connection.execute("ROLLBACK")


def open_as(session: Session, *, tenant_id: UUID | None, user_id: UUID | None) -> None:
    """Let the transaction that begins with the session's first statement see this tenant."""
    pooled: Any = session.connection().connection
    pooled.driver_connection.opening = opening_of(tenant_id, user_id)
    session.info[_ADAPTER] = pooled.dbapi_connection
    session.info[_OPENED_AS] = (tenant_id, user_id)


@asynccontextmanager
async def without_connection(session: AsyncSession) -> AsyncIterator[None]:
    """Give the session's connection back for as long as the block lasts, if nothing was asked yet.

    Once something was, the transaction has begun and the connection stays: what was written must
    not be lost.
    """
    adapter: Any = session.sync_session.info.get(_ADAPTER)
    if adapter is None or adapter._transaction is not None:  # noqa: SLF001 - as below
        yield
        return
    tenant_id, user_id = session.sync_session.info[_OPENED_AS]
    await session.close()
    try:
        yield
    finally:
        await session.run_sync(_open_again, tenant_id, user_id)


def _open_again(session: Session, tenant_id: UUID | None, user_id: UUID | None) -> None:
    open_as(session, tenant_id=tenant_id, user_id=user_id)


def opening_of(tenant_id: UUID | None, user_id: UUID | None = None) -> str:
    """Return what follows BEGIN, so that the transaction sees this tenant.

    The ids are written into the text because BEGIN takes no parameters; a UUID is hexadecimal
    digits and nothing else. `SET LOCAL` ends with the transaction; what is not set sees no rows.
    """
    opening = ""
    if tenant_id is not None:
        opening += f"SET LOCAL monsys.tenant_id='{UUID(int=tenant_id.int)}';"
    if user_id is not None:
        opening += f"SET LOCAL monsys.user_id='{UUID(int=user_id.int)}';"
    return opening


async def begun_connection(session: AsyncSession) -> Any:
    """Return the asyncpg connection of the session's transaction, which is begun then.

    SQLAlchemy's adapter begins it and knows of it, so SQLAlchemy ends it as ever.
    """
    adapter: Any = session.sync_session.info.get(_ADAPTER)
    if adapter is None:  # somebody opened the session without `open_as`
        pooled = await (await session.connection()).get_raw_connection()
        adapter = pooled.dbapi_connection
    if adapter._transaction is None:  # noqa: SLF001 - no public way to begin without a statement
        await adapter._start_transaction()  # noqa: SLF001
    return adapter.driver_connection


def _replace_dead_connections(engine: AsyncEngine) -> None:
    """Let a restart of PostgreSQL cost nobody an error: a dead connection is not handed out."""

    @event.listens_for(engine.sync_engine, "checkin")
    def tidy(connection: Any, record: Any) -> None:
        record.info[_RETURNED_AT] = monotonic()
        if connection is not None:  # None: it was found dead
            # Left over when nothing was asked in a transaction; must not open somebody else's.
            connection.driver_connection.opening = ""

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, record: Any, _proxy: object) -> None:
        # The event loop has usually seen the server hang up already; asking costs nothing then.
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        idle_seconds = monotonic() - record.info.get(_RETURNED_AT, monotonic())
        if idle_seconds < ASK_AFTER_IDLE_SECONDS:
            return
        try:
            engine.sync_engine.dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error
