"""Reads whole tables as the database's superuser: what a test must know behind the hub's back."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import Connection, MetaData, Table, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from hub.database import engine_of

_PARTITION = re.compile(r"metric_samples_\d")


@asynccontextmanager
async def as_owner(owner_url: str) -> AsyncIterator[AsyncConnection]:
    """Open a connection that row-level security does not bind."""
    engine = engine_of(owner_url, pool_size=1)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def all_tables(connection: AsyncConnection) -> list[Table]:
    """Return every table of the hub as the database describes it; partitions as their parent."""
    metadata = MetaData()

    def reflect(sync: Connection) -> None:
        # By name, before they are looked at: SQLAlchemy stumbles over a partition's check.
        metadata.reflect(sync, only=lambda name, _: not _PARTITION.match(name))

    await connection.run_sync(reflect)
    return list(metadata.tables.values())


async def tables_that_hold(connection: AsyncConnection, words: str) -> list[str]:
    """Return the tables of which any column of any row holds these words."""
    found = []
    for table in await all_tables(connection):
        anywhere = or_(*(cast(column, Text).contains(words) for column in table.columns))
        count = await connection.scalar(select(func.count()).select_from(table).where(anywhere))
        if count:
            found.append(table.name)
    return found


async def values_of_tenant(
    connection: AsyncConnection, tenant_id: UUID, *, tables: Iterable[str]
) -> set[str]:
    """Return every text and id that stands in the rows of one tenant."""
    values: set[str] = set()
    wanted = set(tables)
    for table in await all_tables(connection):
        if table.name not in wanted:
            continue
        for column in table.columns:
            if column.type.python_type not in {str, UUID}:
                continue
            rows = await connection.scalars(
                select(cast(column, Text))
                .where(table.c.tenant_id == tenant_id, column.is_not(None))
                .distinct()
                .limit(20_000)
            )
            values.update(rows)
    return values
