"""The story, told once a run in a database of its own: its ids are fixed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import fasteners
import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.database import Database, engine_of
from hub.embedded import EmbeddedPostgres
from hub.migrations.runner import migrate
from seed.people import SignIn
from seed.story import Tale, tell

NOW = datetime(2026, 11, 18, 14, 37, 12, tzinfo=UTC)  # a Wednesday
TALE = Tale(now=NOW, sign_in=SignIn("!"), history=timedelta(days=3))

type MakeDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def make_database(postgres: EmbeddedPostgres, database_name: str) -> MakeDatabase:
    """Return a function that makes a migrated database and returns the hub's URL of it."""

    async def create(name: str) -> None:
        engine = engine_of(postgres.owner_url("postgres"), pool_size=1)
        async with engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(text(f"CREATE DATABASE {name}"))
        await engine.dispose()

    def make(purpose: str) -> str:
        name = f"{database_name}_{purpose}"
        # Roles belong to the whole server: two workers must not grant at once.
        with fasteners.InterProcessLock(f"{postgres.socket_dir}/monsys-tests.lock"):
            asyncio.run(create(name))
            migrate(postgres.owner_url(name))
        return postgres.hub_url(name)

    return make


@pytest.fixture(scope="session")
def story_url(make_database: MakeDatabase) -> str:
    """Return the URL of an empty database for the story."""
    return make_database("story")


@pytest_asyncio.fixture(scope="session")
async def story(story_url: str) -> AsyncIterator[Database]:
    """Return a database in which the story was told."""
    database = Database(story_url, pool_size=4)
    await tell(database, TALE)
    yield database
    await database.close()
