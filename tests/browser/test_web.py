"""The home and GraphiQL in a real browser, under the content policy that they are served with."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.acceptance.person import Account
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT_MS = 30_000


@pytest_asyncio.fixture
async def complaints() -> list[str]:
    """Return what the page complains of: scripts that fail, and what the policy blocks."""
    return []


@pytest_asyncio.fixture
async def page(
    chromium: Browser, hub: RunningHub, operator: Account, complaints: list[str]
) -> AsyncIterator[Page]:
    """Return the home as the operator sees it after signing in there."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    await page.goto(f"{hub.app_origin}/")
    await page.get_by_role("link", name="Sign in").first.click()
    await page.get_by_label("E-mail address").fill(operator.email)
    await page.get_by_label("Password").fill(operator.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    yield page
    await context.close()


async def test_the_home_shows_the_figures(
    page: Page, operator: Account, complaints: list[str]
) -> None:
    await expect(page.get_by_text(operator.email)).to_be_visible()
    for title in ("Trust Score", "Open alerts", "Open detections", "Agents online"):
        card = page.locator(".card", has_text=title)
        await expect(card.locator(".figure")).to_have_text(re.compile(r"\d+"))
    assert complaints == []


async def test_signing_out_ends_it(page: Page, hub: RunningHub) -> None:
    await page.get_by_role("button", name="Sign out").click()
    await page.goto(f"{hub.app_origin}/graphiql")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_graphiql_runs_its_first_query(page: Page, complaints: list[str]) -> None:
    await page.get_by_role("link", name="Open GraphiQL").click()
    # Before the editor is there, the button has nothing to send.
    await expect(page.locator(".graphiql-query-editor")).to_contain_text(
        "WorstAlerts", timeout=WAIT_MS
    )
    await page.get_by_role("button", name="Execute query").click()
    answer = page.get_by_label("Response Editor").or_(page.locator(".graphiql-response"))
    await expect(answer.first).to_contain_text("totalCount", timeout=WAIT_MS)
    assert complaints == []


async def test_graphiql_shows_the_documentation(page: Page, complaints: list[str]) -> None:
    await page.get_by_role("link", name="Open GraphiQL").click()
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await page.get_by_role("link", name="Query").first.click()
    await expect(page.get_by_text("Needs the permission").first).to_be_visible(timeout=WAIT_MS)
    assert complaints == []
