"""Fixtures: one real PostgreSQL for the run, one migrated database per worker, one tenant per test.

Tests do not roll back: each works in a tenant of its own, and row-level security is what keeps it
from seeing the others. That is the property the hub lives on, so every test leans on it.
"""

import gc
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from sqlalchemy import event, text

from hub import prepared
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.tenancy import passwords
from hub.tenancy.models import Tenant
from tests.databases import new_database, spare_the_disk
from tests.factories import make_tenant
from tests.running_hub import HubProcess

# The running hub with the demo in it, and the npm packages: one for the run, whoever asks.
# Hundreds of tests sign in: passwords are hashed at the least cost there is, from the start.
_REAL_HASHER, passwords._HASHER = passwords._HASHER, PasswordHasher(1, 8, 1)

pytest_plugins = ["tests.acceptance.fixtures", "tests.node_packages"]


@pytest.hookimpl(wrapper=True)  # so it comes before xdist, which reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Let one worker do what needs the demo's story: telling it takes seconds in each.

    And one what watches this machine: it would see what the others start to be seen.
    """
    for item in items:
        if {"demo_url", "story"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("demo"))
        if "agent_watch" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("machine"))
    return (yield)


_LONGEST_ID = 100


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what is long or binary by its argument: some are random, and workers compare names."""
    is_long = isinstance(val, str) and len(val) > _LONGEST_ID
    return argname if is_long or isinstance(val, bytes) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where groups would be forgotten: nothing else would tell.

    What is loaded by now stays until the end, so no garbage collection needs to look at it again.
    """
    gc.freeze()
    if not hasattr(session.config, "workerinput"):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid.rpartition("]")[2]:
            message = "pytest-xdist spreads the tests of a group over workers; see pyproject.toml."
            raise pytest.UsageError(message)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what hubs of their own processes logged as wrong meanwhile."""
    report = yield
    if report.failed:
        for log in HubProcess.logs:
            if log.exists() and log.stat().st_mtime >= call.start:
                lines = log.read_text("utf-8", "replace").splitlines()
                wrong = [line for line in lines if '"level": "info"' not in line]
                report.sections.append(("Log of a hub's process", "\n".join(wrong[-20:])))
    return report


@pytest.fixture(scope="session")
def real_hasher() -> PasswordHasher:
    """Return the hub's own hasher of passwords, for the test of what a hash really costs."""
    return _REAL_HASHER


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> EmbeddedPostgres:
    """Return the run's embedded server, shared by all workers."""
    folder = tmp_path_factory.getbasetemp()
    server = EmbeddedPostgres.start(folder if worker_id == "master" else folder.parent)
    spare_the_disk(server)
    return server


@pytest.fixture(scope="session")
def database_name(postgres: EmbeddedPostgres, worker_id: str) -> str:
    """Return the name of this worker's database, created and migrated."""
    name = f"test_{worker_id}"
    new_database(postgres, name)
    return name


@pytest_asyncio.fixture(scope="session")
async def database(postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Database]:
    """Return the worker's database under the hub's own, unprivileged role."""
    database = Database(postgres.hub_url(database_name), pool_size=8)
    async with database.transaction() as session:
        await session.execute(
            text(
                "SELECT monsys_make_metric_partitions("
                "(now() - interval '45 days')::date, (now() + interval '14 days')::date)"
            )
        )
    yield database
    await database.close()


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    """Return a new, empty tenant."""
    return await make_tenant(database)


@pytest_asyncio.fixture
async def other_tenant(database: Database) -> Tenant:
    """Return a second tenant, which nobody of the first may see."""
    return await make_tenant(database)


class Statements(list[str]):
    """SQL sent to the database while recording, without the bookkeeping of transactions."""


@pytest.fixture
def statements(database: Database) -> Iterator[Statements]:
    """Record every statement that the hub sends, except those that open its transactions."""
    recorded = Statements()

    def record(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "set_config" not in statement:
            recorded.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", record)
    prepared.observers.append(recorded.append)
    yield recorded
    prepared.observers.remove(recorded.append)
    event.remove(database.engine.sync_engine, "before_cursor_execute", record)
