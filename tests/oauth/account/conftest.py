"""Fixtures: the authorization server with a letter box, and people at their account pages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx2
import pyotp
import pytest
import pytest_asyncio
from fastapi import FastAPI

from hub.clock import utc_now
from hub.database import Database
from hub.principal import Role
from hub.secret_box import SecretBox
from hub.settings import Settings
from hub.tenancy.models import Tenant, User
from hub.tenancy.totp import new_totp_secret, seal_totp_secret
from tests.factories import make_user
from tests.oauth.account.outbox import Outbox
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN, make_app
from tests.oauth.flow import PASSWORD, PASSWORD_HASH

STEP_SECONDS = 30


@pytest.fixture(scope="session")
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture(scope="session")
def app(settings: Settings, database: Database, outbox: Outbox) -> FastAPI:
    return app_with(settings, database, outbox, account_letters_per_hour=100_000)


def app_with(settings: Settings, database: Database, outbox: Outbox, **changes: Any) -> FastAPI:
    """Return the authorization server with other settings and this letter box."""
    app = make_app(settings.model_copy(update=changes), database)
    app.state.oauth = replace(app.state.oauth, mail=outbox)
    return app


@pytest.fixture
def email() -> str:
    """Return an address that has no account."""
    return f"{uuid4().hex}@example.com"


@pytest.fixture(scope="session")
def box(settings: Settings) -> SecretBox:
    return SecretBox.load(settings)


@dataclass
class Someone:
    """A person in a browser of their own."""

    user: User
    browser: Browser
    secret: str | None

    @property
    def email(self) -> str:
        return self.user.email

    def code(self, steps: int = 0) -> str:
        """Return the code of now, or of some half minutes from now: each is taken once."""
        assert self.secret is not None
        return pyotp.TOTP(self.secret).at(int(utc_now().timestamp()) + steps * STEP_SECONDS)

    async def page(self, path: str) -> Page:
        response = await self.browser.get(path)
        assert response.status_code == 200, response.text
        return Page(response.text)

    async def post(self, path: str, /, **fields: str) -> httpx2.Response:
        """Send a form of the account pages, with the proof that a page of theirs carries."""
        page = await self.page("/account/security")
        form = page.form("/account/sign-out-everywhere")
        return await self.browser.submit(replace(form, action=path), **fields)


type MakeSomeone = Callable[..., Awaitable[Someone]]


@pytest_asyncio.fixture
async def someone(
    app: FastAPI, database: Database, tenant: Tenant, box: SecretBox
) -> AsyncIterator[MakeSomeone]:
    """Return what makes a member, signed in by password alone: no code was shown yet."""
    browsers: list[Browser] = []

    async def make(
        role: Role = Role.OWNER, *, of: Tenant = tenant, totp: bool = False, **columns: Any
    ) -> Someone:
        user = await make_user(database, of, role=role, password_hash=PASSWORD_HASH, **columns)
        browser = Browser(app, APP_ORIGIN)
        browsers.append(browser)
        response = await browser.sign_in(user.email, PASSWORD)
        assert response.status_code == 303
        secret = new_totp_secret() if totp else None
        if secret is not None:
            async with database.transaction(user_id=user.id) as session:
                (await session.get_one(User, user.id)).totp_secret_sealed = seal_totp_secret(
                    box, secret
                )
                await session.flush()
        return Someone(user, browser, secret)

    yield make
    for browser in browsers:
        await browser.http.aclose()
