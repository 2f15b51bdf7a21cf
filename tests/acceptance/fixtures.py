"""The running hub with the demo's two tenants in it, and clients that are connected to it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from hub.clock import utc_now
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.tenancy.passwords import hash_password
from seed.people import CONTOSO_ID, CONTOSO_OWNER, NORTHWIND_ID, OPERATOR, SignIn
from seed.simulator import LivingFleet
from seed.story import Tale, tell
from tests.acceptance.connector import Connector, connect
from tests.acceptance.person import Account
from tests.databases import new_database
from tests.running_hub import RunningHub, serving


@pytest.fixture(scope="session")
def demo_database_name(postgres: EmbeddedPostgres, worker_id: str) -> str:
    """Return the name of a database of its own: what is found in it, only these tests wrote."""
    name = f"acceptance_{worker_id}"
    new_database(postgres, name)
    return name


@pytest.fixture(scope="session")
def owner_url(postgres: EmbeddedPostgres, demo_database_name: str) -> str:
    """Return the URL under which row-level security hides nothing."""
    return postgres.owner_url(demo_database_name)


@pytest.fixture(scope="session")
def password() -> str:
    """Return what everybody in the demo signs in with."""
    return "correct horse battery staple"


@pytest_asyncio.fixture(scope="session")
async def demo_url(postgres: EmbeddedPostgres, demo_database_name: str, password: str) -> str:
    """Return the hub's URL of a database in which the demo's story is told, as of now."""
    url = postgres.hub_url(demo_database_name)
    database = Database(url, pool_size=2)
    await tell(database, Tale(now=utc_now(), sign_in=SignIn(hash_password(password))))
    await database.close()
    return url


@pytest.fixture(scope="session")
def operator(password: str) -> Account:
    """Return the account of the story's operator."""
    return Account(OPERATOR.email, password)


@pytest.fixture(scope="session")
def other_owner(password: str) -> Account:
    """Return the account of the other tenant's owner, who may switch the connector on."""
    return Account(CONTOSO_OWNER.email, password)


@pytest.fixture(scope="session")
def tenants() -> tuple[UUID, UUID]:
    """Return the ids of the story's tenant and of the one that must never be seen."""
    return NORTHWIND_ID, CONTOSO_ID


@pytest_asyncio.fixture(scope="session")
async def hub(demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """Return the running hub of this worker; its fleet goes on reporting, as in the demo."""
    async with serving(demo_url, tmp_path_factory.mktemp("hub")) as hub:
        fleet = asyncio.create_task(LivingFleet(hub.database).run(), name="fleet")
        yield hub
        fleet.cancel()
        await asyncio.wait([fleet])


@pytest_asyncio.fixture(scope="session")
async def claude(hub: RunningHub, operator: Account) -> Connector:
    """Return Claude with both scopes, acting for the operator."""
    return await connect(hub.http, hub.origin, hub.app_origin, operator)


@pytest_asyncio.fixture
async def own_claude(hub: RunningHub, operator: Account) -> Connector:
    """Return a client with a token that the test may spoil."""
    return await connect(hub.http, hub.origin, hub.app_origin, operator)


@pytest_asyncio.fixture(scope="session")
async def reader(hub: RunningHub, operator: Account) -> Connector:
    """Return a client that may only read."""
    return await connect(hub.http, hub.origin, hub.app_origin, operator, scope="mcp.read")


@pytest_asyncio.fixture(scope="session")
async def acknowledger(hub: RunningHub, operator: Account) -> Connector:
    """Return a client that may only acknowledge."""
    return await connect(hub.http, hub.origin, hub.app_origin, operator, scope="mcp.acknowledge")


@pytest_asyncio.fixture(scope="session")
async def other_claude(hub: RunningHub, other_owner: Account) -> Connector:
    """Return a client of the other tenant, whose owner switches the connector on."""
    ticks = ("enable_read", "enable_acknowledge")
    return await connect(hub.http, hub.origin, hub.app_origin, other_owner, ticks=ticks)
