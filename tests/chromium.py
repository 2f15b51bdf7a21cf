"""Debian's Chromium, headless; one for the run of a worker."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

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


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Return the browser; each person opens a context of their own in it."""
    if not os.access(CHROMIUM, os.X_OK):
        # A contributor may do without; what CI says must have been seen in a browser.
        missing = pytest.fail if "CI" in os.environ else pytest.skip
        missing(f"{CHROMIUM} is not there: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()
