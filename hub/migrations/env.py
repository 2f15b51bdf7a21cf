"""Alembic's environment: the owner's connection, all tables, partitions left alone."""

import asyncio
import re

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.schema import SchemaItem

from hub.database import engine_of
from hub.migrations.tables import metadata

_PARTITION = re.compile(r"metric_samples_\d|pgqueuer")


def _is_ours(
    _item: SchemaItem, name: str | None, kind: str, _reflected: object, _other: object
) -> bool:
    """Leave out partitions, which jobs make, and the queue's tables, which pgqueuer makes."""
    return not (kind in {"table", "index"} and name and _PARTITION.match(name))


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=_is_ours,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect_and_run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url, "set by hub.migrations.runner"  # noqa: S101
    engine = engine_of(url, pool_size=1)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_connect_and_run())
