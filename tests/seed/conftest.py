"""The story, told once a run in a database of its own: its ids are fixed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
def urls(make_database: MakeDatabase) -> dict[str, str]:
    """Return the URLs of databases by purpose; made here, before an event loop runs."""
    return {purpose: make_database(purpose) for purpose in ("story", "again", "living")}


@asynccontextmanager
async def _told(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=4)
    await tell(database, TALE)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="session")
async def story(urls: dict[str, str]) -> AsyncIterator[Database]:
    """Return a database in which the story was told; tests only read it."""
    async with _told(urls["story"]) as database:
        yield database


@pytest_asyncio.fixture(scope="session")
async def second_telling(urls: dict[str, str]) -> AsyncIterator[Database]:
    """Return another database in which the same story was told."""
    async with _told(urls["again"]) as database:
        yield database


@pytest_asyncio.fixture
async def living(urls: dict[str, str]) -> AsyncIterator[Database]:
    """Return a database in which the story was told and may go on."""
    async with _told(urls["living"]) as database:
        yield database
