"""Sign-in and consent in a real browser, as a person who clicked "Connect" in Claude."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    Route,
    async_playwright,
    expect,
)

from tests.acceptance import article
from tests.acceptance.connector import Pkce, register
from tests.acceptance.person import Account, callback_parameters
from tests.acceptance.test_authorization_flow import authorize_url, exchange
from tests.running_hub import RunningHub

if TYPE_CHECKING:
    from playwright._impl._async_base import AsyncEventInfo

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(params=[True, False], ids=["with scripts", "without scripts"])
async def context(
    browser: Browser, hub: RunningHub, request: pytest.FixtureRequest
) -> AsyncIterator[BrowserContext]:
    """Return a browser that reaches the hub and nothing else."""
    context = await browser.new_context(java_script_enabled=request.param)

    async def answer(route: Route) -> None:
        url = route.request.url
        if url.startswith((hub.origin, hub.app_origin)):
            await route.continue_()
        else:
            await route.abort()

    await context.route("**/*", answer)
    yield context
    await context.close()


def sent_back(page: Page) -> AbstractAsyncContextManager["AsyncEventInfo[Request]"]:
    """Wait for the browser's request to the client; a content policy would have stopped it."""
    return page.expect_request(lambda request: request.url.startswith(article.REDIRECT_URI))


async def sign_in(page: Page, account: Account) -> None:
    await page.get_by_label("E-mail address").fill(account.email)
    await page.get_by_label("Password").fill(account.password)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_person_signs_in_and_allows(
    context: BrowserContext, hub: RunningHub, operator: Account
) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    pkce = Pkce()
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    await page.goto(authorize_url(hub, client_id, pkce, scope="mcp.read%20mcp.acknowledge"))
    await sign_in(page, operator)
    await expect(page.get_by_text("acceptance").first).to_be_visible()
    await expect(page.get_by_text("claude.ai").first).to_be_visible()
    async with sent_back(page) as request:
        await page.get_by_role("button", name="Allow").click()

    parameters = callback_parameters((await request.value).url)
    status, token = await exchange(hub, client_id, parameters["code"], pkce.verifier)
    assert status == 200
    assert token["scope"] == "mcp.read mcp.acknowledge"
    assert complaints == []


async def test_a_person_signs_in_and_denies(
    context: BrowserContext, hub: RunningHub, operator: Account
) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    page = await context.new_page()

    await page.goto(authorize_url(hub, client_id, Pkce()))
    await sign_in(page, operator)
    async with sent_back(page) as request:
        await page.get_by_role("button", name="Deny").click()

    assert callback_parameters((await request.value).url)["error"] == "access_denied"


async def test_the_pages_can_be_used_by_keyboard_alone(
    context: BrowserContext, hub: RunningHub, operator: Account
) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    page = await context.new_page()

    await page.goto(authorize_url(hub, client_id, Pkce()))
    await page.get_by_label("E-mail address").focus()
    await page.keyboard.type(operator.email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(operator.password)
    await page.keyboard.press("Enter")
    allow = page.get_by_role("button", name="Allow")
    await allow.focus()
    async with sent_back(page) as request:
        await page.keyboard.press("Enter")

    assert "code" in callback_parameters((await request.value).url)
