"""Real clients while hours and days pass, on a clock that is moved for everybody at once.

The hub's time decides about tokens; clients that look at their own clock see the same time pass.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from sqlalchemy import select
from sqlmodel import col

from hub.audit.events import EventType
from hub.clock import utc_now
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.tenancy.models import Tenant
from hub.tenancy.passwords import hash_password
from oauth.models import OAuthGrant
from tests.acceptance.person import Account
from tests.clients.bridge_client import mcp_remote
from tests.clients.browser_person import BrowserPerson, person_in_browser
from tests.clients.inspector_client import inspector
from tests.clients.node_client import typescript_v1, typescript_v2
from tests.clients.python_client import python_sdk
from tests.clients.real_client import RealClient, Surroundings
from tests.clocked_hub import web_variables
from tests.databases import new_database
from tests.factories import make_tenant, make_user
from tests.moving_clock import MovingClock, moving_clock
from tests.oauth.document_host import NATIVE_REDIRECTS, DocumentHost
from tests.oauth.trail import events_of
from tests.running_hub import HubProcess

pytestmark = [
    pytest.mark.browser,
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.xdist_group("clock"),  # one hub and one database for all of them
]

DOCUMENT_URL = "https://client.example/past-the-hour.json"
PAST_THE_HOUR = timedelta(minutes=61)
STAY_DAYS = 3
CLIENTS = [
    pytest.param(python_sdk, id="python-sdk"),
    pytest.param(typescript_v1, id="typescript-v1"),
    pytest.param(typescript_v2, id="typescript-v2"),
    pytest.param(mcp_remote, id="mcp-remote"),
    pytest.param(inspector, id="inspector"),
]

type Connect = Callable[[Surroundings], AbstractAsyncContextManager[RealClient]]
type MakePlace = Callable[..., Surroundings]


@pytest_asyncio.fixture(scope="module")
async def database_name(postgres: EmbeddedPostgres, worker_id: str) -> str:
    """Return the name of a database in which it may be any time."""
    name = f"clocked_{worker_id}"
    await asyncio.to_thread(new_database, postgres, name)
    return name


@pytest_asyncio.fixture(scope="module")
async def clock(
    postgres: EmbeddedPostgres, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MovingClock]:
    folder = tmp_path_factory.mktemp("clock")
    async with moving_clock(postgres.owner_url(database_name), folder) as clock:
        with clock.for_python_sdk():
            yield clock


@pytest_asyncio.fixture(scope="module")
async def store(
    postgres: EmbeddedPostgres, database_name: str, clock: MovingClock
) -> AsyncIterator[Database]:
    """Return that database as the hub's role sees it; its clock is there before anybody is."""
    assert clock
    database = Database(postgres.hub_url(database_name), pool_size=2)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="module")
async def clocked_hub(
    postgres: EmbeddedPostgres,
    database_name: str,
    clock: MovingClock,
    documents: DocumentHost,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HubProcess]:
    process = HubProcess(
        postgres.hub_url(database_name),
        tmp_path_factory.mktemp("clocked-hub"),
        command=("tests.clocked_hub",),
        variables=clock.hub_variables | web_variables(documents),
    )
    async with process as hub:
        yield hub


@pytest.fixture(scope="module")
def password_hash(password: str) -> str:
    return hash_password(password)


@pytest.fixture
def place_of(
    clocked_hub: HubProcess, clock: MovingClock, node_modules: Path, tmp_path: Path
) -> MakePlace:
    def place(person: BrowserPerson, *, document_url: str | None = None) -> Surroundings:
        return Surroundings(
            f"{clocked_hub.origin}/mcp",
            person.open,
            tmp_path,
            node_modules,
            document_url=document_url,
            variables=clock.node_variables,
        )

    return place


@pytest.fixture
def new_person(
    store: Database, password: str, password_hash: str
) -> Callable[..., Awaitable[tuple[Tenant, Account]]]:
    async def new(**settings: object) -> tuple[Tenant, Account]:
        tenant = await make_tenant(store, **settings)
        email = f"{uuid4().hex}@example.com"
        await make_user(store, tenant, email=email, password_hash=password_hash)
        return tenant, Account(email, password)

    return new


async def trail(store: Database, tenant: Tenant) -> Counter[str]:
    return Counter(kind for kind, _ in await events_of(store, tenant))


@pytest.mark.parametrize("document_url", [None, DOCUMENT_URL], ids=["registered", "document"])
@pytest.mark.parametrize("connect", CLIENTS)
async def test_a_client_that_stays_connected_renews_by_itself_until_the_days_are_over(
    connect: Connect,
    document_url: str | None,
    place_of: MakePlace,
    new_person: Callable[..., Awaitable[tuple[Tenant, Account]]],
    store: Database,
    clock: MovingClock,
    documents: DocumentHost,
    chromium: Browser,
) -> None:
    documents.serve(DOCUMENT_URL, redirect_uris=NATIVE_REDIRECTS, application_type="native")
    tenant, account = await new_person(stay_connected=True, stay_connected_days=STAY_DAYS)
    async with (
        person_in_browser(chromium, account) as person,
        connect(place_of(person, document_url=document_url)) as client,
    ):
        await client.call("monsys_kpi_summary")
        for refreshes in (1, 2):
            await clock.move(PAST_THE_HOUR)
            await client.call("monsys_kpi_summary")
            seen = await trail(store, tenant)
            assert seen[EventType.OAUTH_TOKEN_REFRESHED] == refreshes
            assert len(person.opened) == 1

        await clock.move(timedelta(days=STAY_DAYS))
        await client.call("monsys_kpi_summary")
        seen = await trail(store, tenant)
        assert seen[EventType.OAUTH_TOKEN_REFRESHED] == 2
        assert seen[EventType.OAUTH_TOKEN_ISSUED] == 2
        # The browser's own sign-in was over as well.
        assert (len(person.opened), person.signed_in) == (2, 2)
        assert all(("client.example" in url) == bool(document_url) for url in person.opened)


@pytest.mark.parametrize("connect", CLIENTS)
async def test_a_client_that_may_not_stay_asks_its_person_again_after_an_hour(
    connect: Connect,
    place_of: MakePlace,
    new_person: Callable[..., Awaitable[tuple[Tenant, Account]]],
    store: Database,
    clock: MovingClock,
    chromium: Browser,
) -> None:
    tenant, account = await new_person(stay_connected=False)
    async with (
        person_in_browser(chromium, account) as person,
        connect(place_of(person)) as client,
    ):
        await client.call("monsys_kpi_summary")
        await clock.move(timedelta(minutes=59))
        await client.call("monsys_kpi_summary")
        assert len(person.opened) == 1

        await clock.move(timedelta(minutes=2))
        await client.call("monsys_kpi_summary")
        seen = await trail(store, tenant)
        assert seen[EventType.OAUTH_TOKEN_REFRESHED] == 0
        # Still signed in, so the page asks for the decision only.
        assert (len(person.opened), person.signed_in) == (2, 1)


async def test_the_clock_moves_for_the_hub_and_for_its_database_alike(
    place_of: MakePlace,
    new_person: Callable[..., Awaitable[tuple[Tenant, Account]]],
    store: Database,
    clock: MovingClock,
    chromium: Browser,
) -> None:
    """When a grant was last used is written by SQL's `now()`, when it was made by the hub."""
    tenant, account = await new_person()
    before = utc_now() + clock.moved
    await clock.move(timedelta(days=1))
    async with (
        person_in_browser(chromium, account) as person,
        python_sdk(place_of(person)) as client,
    ):
        await client.call("monsys_kpi_summary")

    async with store.transaction(tenant_id=tenant.id) as session:
        times = select(col(OAuthGrant.created_at), col(OAuthGrant.last_used_at))
        ((made, used),) = (await session.execute(times)).all()
    assert made > before + timedelta(days=1)
    assert used is not None
    assert abs(used - made) < timedelta(minutes=1)
