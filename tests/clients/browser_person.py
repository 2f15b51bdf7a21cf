"""A person at Debian's Chromium: opens a client's link, signs in, reads, allows, is sent back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Browser, Page

from tests.acceptance.person import Account

_PATIENCE_MS = 60_000


class BrowserPerson:
    """One person in one browser profile, who stays signed in from one link to the next.

    The browser itself follows the redirect to the client's listener on loopback: content policy,
    cookies, form posts and redirects are those of a real browser.
    """

    def __init__(self, page: Page, account: Account) -> None:
        self.page = page
        self._account = account
        self.opened: list[str] = []
        self.signed_in = 0
        self.consents: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(_PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open(self, url: str) -> None:
        """Open the link and go through with it until the browser is back at the client."""
        await self.page.goto(url)
        await self.go_through(url)

    async def go_through(self, url: str) -> None:
        """Sign in if asked and allow, in a browser that the client has sent to this link."""
        self.opened.append(url)
        (redirect_uri,) = parse_qs(urlsplit(url).query)["redirect_uri"]
        if await self.page.locator("#password").count():
            await self._sign_in()
        self.consents.append(await self.page.locator("main").inner_text())
        await self.page.locator('button[value="allow"]').click()
        # Clients may send the browser on from their callback, so any page after ours will do.
        await self.page.wait_for_url(lambda there: not _same_site(there, url))
        assert _same_site(self.page.url, redirect_uri), self.page.url

    async def _sign_in(self) -> None:
        self.signed_in += 1
        await self.page.locator("#email").fill(self._account.email)
        await self.page.locator("#password").fill(self._account.password)
        await self.page.locator('form[action="/sign-in"] button[type="submit"]').click()
        await self.page.locator('button[value="allow"]').wait_for()


@asynccontextmanager
async def person_in_browser(chromium: Browser, account: Account) -> AsyncIterator[BrowserPerson]:
    """Open a profile of its own, and close it afterwards."""
    context = await chromium.new_context(locale="en")
    try:
        yield BrowserPerson(await context.new_page(), account)
    finally:
        await context.close()


def _same_site(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]
