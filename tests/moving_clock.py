"""A clock that tests move: the hub's, PostgreSQL's and the clients', all at once.

The hub runs as a process of its own (`tests.clocked_hub`), so that nothing else in the run sees
another time. PostgreSQL has no clock to set, but it looks functions up along the search path: in a
database whose path has our schema before `pg_catalog`, `now()` is ours.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.database import engine_of

# Where clients and the hub's process read by how many seconds the clock was moved.
VARIABLE = "MOVED_CLOCK_FILE"
_PRELOAD = Path(__file__).parent / "clients" / "moved_clock.mjs"
_SQL = (
    "CREATE SCHEMA moving_clock",
    "CREATE TABLE moving_clock.moved AS SELECT interval '0' AS by",
    """
    CREATE FUNCTION moving_clock.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + by FROM moving_clock.moved'
    """,
    "GRANT USAGE ON SCHEMA moving_clock TO PUBLIC",
    "GRANT SELECT ON moving_clock.moved TO PUBLIC",
    # Tables are still made in `public`, the first of them.
    """
    DO $$ BEGIN EXECUTE format(
        'ALTER DATABASE %I SET search_path = public, moving_clock, pg_catalog',
        current_database()); END $$
    """,
)


class MovingClock:
    """The time of one database and of everybody who is told about `file`."""

    def __init__(self, engine: AsyncEngine, file: Path) -> None:
        self._engine = engine
        self.file = file
        self.moved = timedelta(0)

    @property
    def hub_variables(self) -> dict[str, str]:
        """Return the environment under which `tests.clocked_hub` has this clock."""
        return {VARIABLE: str(self.file)}

    @property
    def node_variables(self) -> dict[str, str]:
        """Return the environment under which Node.js has this clock."""
        return self.hub_variables | {"NODE_OPTIONS": f"--import={_PRELOAD.as_uri()}"}

    async def move(self, by: timedelta) -> None:
        """Let so much time pass."""
        self.moved += by
        async with self._engine.begin() as connection:
            await connection.execute(
                text("UPDATE moving_clock.moved SET by = by + :by"), {"by": by}
            )
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(self.moved.total_seconds()), "utf-8")
        fresh.replace(self.file)

    @contextmanager
    def for_python_sdk(self) -> Iterator[None]:
        """Let the Python SDK's client read this clock, which runs in the test's own process."""
        moved = SimpleNamespace(time=lambda: time.time() + self.moved.total_seconds())
        with (
            patch("mcp.client.auth.oauth2.time", moved),
            patch("mcp.shared.auth_utils.time", moved),
        ):
            yield


@asynccontextmanager
async def moving_clock(owner_url: str, folder: Path) -> AsyncIterator[MovingClock]:
    """Give this database, to which nobody is connected yet, a clock that can be moved."""
    engine = engine_of(owner_url, pool_size=1)
    async with engine.begin() as connection:
        for statement in _SQL:
            await connection.execute(text(statement))
    file = folder / "moved-by-seconds"
    file.write_text("0", "utf-8")
    yield MovingClock(engine, file)
    await engine.dispose()
