"""Fixtures: a hub with a mail server, and Debian's Chromium that reaches nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Route

from tests.browser.visitor import Visitor
from tests.chromium import chromium
from tests.mailbox import Mailbox, mail_server
from tests.running_hub import RunningHub, serving

__all__ = ["chromium"]


@pytest_asyncio.fixture(scope="session")
async def mailbox() -> AsyncIterator[Mailbox]:
    async with mail_server() as mailbox:
        yield mailbox


@pytest_asyncio.fixture(scope="session")
async def mailing_hub(
    demo_url: str, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Return a hub whose letters arrive."""
    async with serving(
        demo_url,
        tmp_path_factory.mktemp("mailing-hub"),
        smtp_url=mailbox.url,
        mail_from="monsys <hub@example.com>",
        account_letters_per_hour=10_000,
    ) as hub:
        yield hub


async def new_context(
    chromium: Browser, hub: RunningHub, *, language: str = "en", scripts: bool = True
) -> BrowserContext:
    """Return a browser of its own that speaks this language and reaches the hub only."""
    context = await chromium.new_context(locale=language, java_script_enabled=scripts)

    async def answer(route: Route) -> None:
        if route.request.url.startswith((hub.origin, hub.app_origin)):
            await route.continue_()
        else:
            await route.fulfill(content_type="text/html", body="<title>elsewhere</title>")

    await context.route("**/*", answer)
    return context


@pytest.fixture(scope="session")
def axe_script(node_modules: Path) -> str:
    """Return axe-core, which is put into pages from outside: their policy allows no script."""
    return (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest_asyncio.fixture(params=["en", "de"])
async def visitor(
    request: pytest.FixtureRequest, chromium: Browser, mailing_hub: RunningHub, axe_script: str
) -> AsyncIterator[Visitor]:
    context = await new_context(chromium, mailing_hub, language=request.param)
    yield Visitor(await context.new_page(), mailing_hub, axe_script, request.param)
    await context.close()
