"""Databases for tests and measurements, on an embedded server."""

import asyncio
from pathlib import Path

import fasteners
from sqlalchemy import text

from hub.database import engine_of
from hub.embedded import EmbeddedPostgres
from hub.migrations.runner import migrate

_TEMPLATE = "monsys_migrated"


def new_database(postgres: EmbeddedPostgres, name: str) -> None:
    """Make a migrated database. Blocking, and it runs an event loop of its own."""
    # Roles belong to the whole server, so two workers must not create the hub's role at once.
    with fasteners.InterProcessLock(Path(postgres.socket_dir) / "monsys-tests.lock"):
        if not asyncio.run(_has_template(postgres)):
            # Under another name until it is whole: a worker that died half-way leaves no template.
            new_empty_database(postgres, f"{_TEMPLATE}_soon")
            migrate(postgres.owner_url(f"{_TEMPLATE}_soon"))
            _on(postgres, f"ALTER DATABASE {_TEMPLATE}_soon RENAME TO {_TEMPLATE}")
        _on(postgres, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")


def new_empty_database(postgres: EmbeddedPostgres, name: str) -> None:
    """Make a database with nothing in it. Blocking, as above."""
    _on(postgres, f"CREATE DATABASE {name}")


def spare_the_disk(postgres: EmbeddedPostgres) -> None:
    """Let commits not wait for the disk. For what no test pulls the plug of; those have their own.

    What a killed process leaves is as whole as ever: only a machine that dies loses it.
    """
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        _on(postgres, f"ALTER SYSTEM SET {setting} = off")
    _on(postgres, "SELECT pg_reload_conf()")


async def run_alone(url: str, statement: str) -> None:
    """Run a statement that PostgreSQL takes outside transactions only."""
    engine = engine_of(url, pool_size=1)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
    await engine.dispose()


def _on(postgres: EmbeddedPostgres, statement: str) -> None:
    asyncio.run(run_alone(postgres.owner_url("postgres"), statement))


async def _has_template(postgres: EmbeddedPostgres) -> bool:
    engine = engine_of(postgres.owner_url("postgres"), pool_size=1)
    async with engine.connect() as connection:
        found = await connection.scalar(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": _TEMPLATE}
        )
    await engine.dispose()
    return found is not None
