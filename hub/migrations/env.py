"""Alembic's environment: the owner's connection, all tables, partitions left alone."""

import asyncio
import re

from alembic import context
from sqlalchemy import Connection

from hub.database import engine_of
from hub.errors import InvalidInput
from hub.migrations.tables import metadata
from hub.provision import database_urls
from hub.settings import Settings

_PARTITION = re.compile(r"metric_samples_\d|pgqueuer")


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out partitions, which jobs make, and the queue's tables, which pgqueuer makes.

    By name, before they are looked at: reflection stumbles over a partition's NOT VALID check.
    """
    return not (kind in {"table", "index"} and name and _PARTITION.match(name))


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=_is_ours,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _owner_url() -> str:
    """Return the database that the caller names, else the one of the settings.

    `uv run alembic …` names none: a contributor works on the embedded database, or on
    MONSYS_DATABASE_OWNER_URL.
    """
    url = context.config.get_main_option("sqlalchemy.url") or database_urls(Settings()).owner
    if url is None:
        raise InvalidInput("Set MONSYS_DATABASE_OWNER_URL: migrations run as the schema's owner.")
    return url


async def _connect_and_run(url: str) -> None:
    engine = engine_of(url, pool_size=1)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_connect_and_run(_owner_url()))
