"""The migrations make exactly the tables that the models describe, and can be undone."""

import asyncio

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from hub.database import engine_of
from hub.embedded import EmbeddedPostgres
from hub.migrations.revisions import newest_revision
from hub.migrations.runner import config_of, migrate
from tests.databases import new_empty_database


def _run(url: str, statement: str) -> list[str]:
    async def run() -> list[str]:
        engine = engine_of(url, pool_size=1)
        async with engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            result = await autocommit.execute(text(statement))
            rows = [str(value) for value in result.scalars()] if result.returns_rows else []
        await engine.dispose()
        return rows

    return asyncio.run(run())


def test_models_and_migrations_agree(postgres: EmbeddedPostgres, database_name: str) -> None:
    # Raises when autogenerate would write anything: the check of `alembic check`.
    command.check(config_of(postgres.owner_url(database_name)))
    assert _run(postgres.owner_url(database_name), "SELECT version_num FROM alembic_version")


def test_the_newest_revision_is_alembics() -> None:
    script = ScriptDirectory.from_config(config_of("postgresql://"))
    assert newest_revision() == script.get_current_head()


def test_the_schema_can_be_taken_down_and_put_up_again(
    postgres: EmbeddedPostgres, database_name: str
) -> None:
    name = f"{database_name}_roundtrip"
    new_empty_database(postgres, name)
    url = postgres.owner_url(name)
    tables = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1"  # noqa: E501
    migrate(url)
    before = _run(url, tables)
    command.downgrade(config_of(url), "base")
    assert _run(url, tables) == ["alembic_version"]
    migrate(url)
    assert _run(url, tables) == before
