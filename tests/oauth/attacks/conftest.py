"""Fixtures: a watched tenant, and the connector behind the authorization server."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.audit.writer import AuditWriter
from hub.database import Database, engine_of
from hub.embedded import EmbeddedPostgres
from hub.settings import Settings
from hub.tenancy.models import Tenant
from mcp_adapter.server import build_mcp
from oauth.bearer import BearerAuthenticator
from oauth.client_documents.fetcher import HttpsFetcher
from oauth.routes import build_oauth
from tests.factories import make_tenant
from tests.oauth.attacks.scene import Scene, Shown
from tests.oauth.browser import Browser
from tests.oauth.conftest import API_ORIGIN, APP_ORIGIN, make_app
from tests.oauth.document_host import DocumentHost, document_host

_NUMBERS = itertools.count(1)


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    """Return a tenant whose connections last, so that there is a refresh token to steal."""
    return await make_tenant(database, stay_connected=True)


@pytest_asyncio.fixture(scope="session")
async def owner(postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[AsyncEngine]:
    """Return connections of the schema's owner, who sees every row of every table."""
    engine = engine_of(postgres.owner_url(database_name), pool_size=2)
    yield engine
    await engine.dispose()


@pytest.fixture(autouse=True)
def scene(database: Database, owner: AsyncEngine, tenant: Tenant) -> Iterator[Scene]:
    """Return the watched tenant; at the end, what the test did not show is held against it."""
    scene = Scene(database, owner, tenant)
    yield scene
    assert set(Shown) - scene.shown == set(), "the test shows less than an attack's test must"


@pytest_asyncio.fixture(scope="session")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DocumentHost]:
    """Return a host on the web that serves client metadata documents."""
    folder: Path = tmp_path_factory.mktemp("document-host")
    async with document_host(folder) as host:
        yield host


@pytest.fixture(scope="session")
def app(settings: Settings, database: Database, host: DocumentHost) -> FastAPI:
    """Return the authorization server with the connector it protects."""
    app = make_app(settings, database)
    fetcher = HttpsFetcher(host.network, host.trust)
    app.state.oauth = build_oauth(settings, database, fetcher=fetcher)
    authenticator = BearerAuthenticator(database, settings)
    mcp = build_mcp(settings, database, authenticator, AuditWriter(database))
    app.router.routes.extend(mcp.routes)
    return app


@pytest.fixture(autouse=True)
def _fresh_host(host: DocumentHost) -> None:
    host.network.answers.clear()
    host.network.resolved.clear()
    host.network.connected.clear()
    host.documents.clear()
    host.requests.clear()


@pytest.fixture
def address() -> str:
    """Return an address of this test's own: what others did does not count against it."""
    return f"2001:db8:{next(_NUMBERS):x}::1"


@pytest_asyncio.fixture
async def api(app: FastAPI, address: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        yield http


@pytest_asyncio.fixture
async def browser(app: FastAPI, address: str) -> AsyncIterator[Browser]:
    async with Browser(app, APP_ORIGIN, address=address) as browser:
        yield browser
