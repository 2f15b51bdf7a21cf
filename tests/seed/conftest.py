"""The story, told once a run in a database of its own: its ids are fixed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from hub.database import Database
from hub.embedded import EmbeddedPostgres
from seed.people import SignIn
from seed.story import Tale, tell
from tests.databases import new_database

NOW = datetime(2026, 11, 18, 14, 37, 12, tzinfo=UTC)  # a Wednesday
TALE = Tale(now=NOW, sign_in=SignIn("!"), history=timedelta(days=3))

type MakeDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def make_database(postgres: EmbeddedPostgres, database_name: str) -> MakeDatabase:
    """Return a function that makes a migrated database and returns the hub's URL of it."""

    def make(purpose: str) -> str:
        name = f"{database_name}_{purpose}"
        new_database(postgres, name)
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
