"""Fixtures: the authorization server alone, in process, with people who have passwords."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from hub.database import Database
from hub.principal import Role
from hub.request_id import RequestIdMiddleware
from hub.settings import Settings
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from oauth.routes import build_oauth, oauth_routes
from tests.factories import make_user
from tests.oauth.browser import Browser
from tests.oauth.flow import PASSWORD, PASSWORD_HASH, Client, register

API_ORIGIN = "https://api.example.com"
APP_ORIGIN = "https://app.example.com"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        api_origin=API_ORIGIN,
        app_origin=APP_ORIGIN,
        data_dir=tmp_path_factory.mktemp("oauth"),
        sign_in_attempts_per_minute=100_000,
        registrations_per_hour=100_000,
        oauth_requests_per_minute=100_000,
    )


def make_app(settings: Settings, database: Database) -> FastAPI:
    """Return an application of nothing but the authorization server."""
    app = FastAPI()
    app.add_middleware(RequestIdMiddleware)
    app.state.settings = settings
    app.state.database = database
    app.state.oauth = build_oauth(settings, database)
    app.include_router(oauth_routes())
    return app


@pytest.fixture(scope="session")
def app(settings: Settings, database: Database) -> FastAPI:
    return make_app(settings, database)


@pytest_asyncio.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client program's view: the API's origin, no cookies."""
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        yield http


@pytest_asyncio.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    """Return a person's browser on the app's origin."""
    async with Browser(app, APP_ORIGIN) as browser:
        yield browser


@pytest_asyncio.fixture
async def client(api: httpx2.AsyncClient) -> Client:
    """Return a registered public client."""
    return await register(api)


@pytest.fixture
def authenticator(settings: Settings, database: Database) -> BearerAuthenticator:
    return BearerAuthenticator(database, settings)


type MakeSignedIn = Callable[..., Awaitable[str]]


@pytest.fixture
def sign_in_as(database: Database, tenant: Tenant, browser: Browser) -> MakeSignedIn:
    """Return what makes a member of the tenant and signs them in; it returns their address."""

    async def sign_in(role: Role = Role.OPERATOR, *, of: Tenant = tenant, **columns: Any) -> str:
        user = await make_user(database, of, role=role, password_hash=PASSWORD_HASH, **columns)
        response = await browser.sign_in(user.email, PASSWORD)
        assert response.status_code == 303
        return user.email

    return sign_in
