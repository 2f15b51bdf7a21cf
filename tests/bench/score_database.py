"""An empty, migrated database on an embedded server of its own, for measurements."""

import asyncio
from pathlib import Path

from sqlalchemy import text

from hub.database import engine_of
from hub.embedded import EmbeddedPostgres
from hub.migrations.runner import migrate

_NAME = "monsys_scores"


def prepare_database(folder: Path) -> tuple[str, str]:
    """Start PostgreSQL in this folder; return the URLs of the hub's role and of the owner."""
    server = EmbeddedPostgres.start(folder)
    asyncio.run(_sql(server.owner_url("postgres"), f"CREATE DATABASE {_NAME}"))
    migrate(server.owner_url(_NAME))
    return server.hub_url(_NAME), server.owner_url(_NAME)


async def analyse(owner_url: str) -> None:
    """Do what autovacuum would have done by now."""
    await _sql(owner_url, "VACUUM ANALYZE")


async def _sql(url: str, statement: str) -> None:
    engine = engine_of(url, pool_size=1)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
    await engine.dispose()
