"""Every page through axe-core and by Tab, in both languages, in light, in dark, on a phone."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import uuid4

import pyotp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from hub.clock import utc_now
from hub.principal import Role
from hub.tenancy.models import Membership
from hub.tenancy.passwords import hash_password
from tests.acceptance import article
from tests.acceptance.connector import BOTH_SCOPES, Pkce, register
from tests.acceptance.person import Account
from tests.acceptance.test_authorization_flow import authorize_url
from tests.browser.conftest import new_context
from tests.browser.keyboard import check_tab_order
from tests.factories import make_tenant, make_user
from tests.mailbox import Mailbox
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

SWITCHES = ("claude_may_read", "claude_may_acknowledge")
PASSWORD = "blue lamp tower seven"
_AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((n) => n.html).join(" | ")}`);
}"""


class Visitor:
    """Somebody who looks at each page, and lets axe-core look as well."""

    def __init__(self, page: Page, hub: RunningHub, axe_script: str, language: str) -> None:
        self.page = page
        self.hub = hub
        self._axe = axe_script
        self._language = language
        self.checked: list[str] = []

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.hub.app_origin}{path}")

    async def check(self, name: str) -> None:
        """Assert that this page, as it is now, has no violation, and that a keyboard will do."""
        themes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
        for theme in themes:
            await self.page.emulate_media(color_scheme=theme)
            await self.page.evaluate(self._axe)
            violations: list[Any] = await self.page.evaluate(_AXE)
            assert violations == [], f"{name}, {theme}"
            await self._keep_picture(f"{name}-{self._language}-{theme}")
        await check_tab_order(self.page)
        assert await self._fits_a_phone(name), f"{name} is wider than a phone"
        assert await self.page.locator("html").get_attribute("lang") == self._language
        assert await self.page.locator("h1").count() == 1
        self.checked.append(name)

    async def _fits_a_phone(self, name: str) -> bool:
        """Tell whether nothing has to be scrolled sideways at 320 pixels (WCAG 1.4.10)."""
        usual = self.page.viewport_size
        assert usual is not None
        await self.page.set_viewport_size({"width": 320, "height": 640})
        wide: int = await self.page.evaluate("document.documentElement.scrollWidth")
        await self._keep_picture(f"{name}-{self._language}-phone")
        await self.page.set_viewport_size(usual)
        return wide <= 320

    async def submit(self, action: str, **fields: str) -> None:
        """Fill in the form that goes there and send it."""
        form = self.page.locator(f'form[action="{action}"]').last
        for name, value in fields.items():
            field = form.locator(f'[name="{name}"]')
            if await field.evaluate("at => at.tagName") == "SELECT":
                await field.select_option(value)
            elif await field.get_attribute("type") == "checkbox":
                await field.set_checked(value == "yes")
            else:
                await field.fill(value)
        async with self.page.expect_navigation():
            await form.locator('button[type="submit"]').first.click()

    async def _keep_picture(self, name: str) -> None:
        """Keep a picture where MONSYS_TEST_PICTURES says, for people who want to look."""
        if folder := os.environ.get("MONSYS_TEST_PICTURES"):
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest_asyncio.fixture(params=["en", "de"])
async def visitor(
    request: pytest.FixtureRequest, chromium: Browser, mailing_hub: RunningHub, axe_script: str
) -> AsyncIterator[Visitor]:
    context = await new_context(chromium, mailing_hub, language=request.param)
    yield Visitor(await context.new_page(), mailing_hub, axe_script, request.param)
    await context.close()


async def new_owner(visitor: Visitor, mailbox: Mailbox) -> str:
    """Sign up, looking at each page on the way, and return the address."""
    email = f"ada-{uuid4().hex[:8]}@example.com"
    await visitor.open("/signup")
    await visitor.check("sign-up")
    await visitor.submit("/signup", email=email, organisation="Kesselbau", password="password1234")
    await visitor.check("sign-up-refused")
    await visitor.submit("/signup", password=PASSWORD)
    await visitor.check("letter-sent")
    await visitor.page.goto(await mailbox.link_to(email))
    await visitor.check("sign-up-confirm")
    await visitor.submit("/signup/confirm")
    return email


async def test_pages_without_a_session(
    visitor: Visitor, mailbox: Mailbox, operator: Account
) -> None:
    client_id = await register(
        visitor.hub.http, visitor.hub.origin, redirect_uri=article.REDIRECT_URI
    )
    await visitor.open("/sign-in?note=password-changed")
    await visitor.check("sign-in")
    await visitor.submit("/sign-in", email=operator.email, password="wrong")
    await visitor.check("sign-in-refused")
    await visitor.page.goto(authorize_url(visitor.hub, client_id, Pkce()))
    await visitor.check("sign-in-connecting")
    await visitor.page.goto(authorize_url(visitor.hub, "mcp_unknown", Pkce()))
    await visitor.check("problem")
    await visitor.open("/password/forgot")
    await visitor.check("password-forgot")
    await visitor.submit("/password/forgot", email=operator.email)
    await visitor.page.goto(await mailbox.link_to(operator.email))
    await visitor.check("password-reset")
    await visitor.open("/password/reset?token=x")
    await visitor.check("link-over")


async def test_pages_of_an_owner(visitor: Visitor, mailbox: Mailbox, chromium: Browser) -> None:
    hub = visitor.hub
    email = await new_owner(visitor, mailbox)
    for name in ("security", "apps", "connector", "members"):
        await visitor.open(f"/account/{name}")
        await visitor.check(name)
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    await visitor.page.goto(authorize_url(hub, client_id, Pkce()))
    await visitor.check("consent-opening")
    await visitor.open("/account/connector")
    await visitor.submit("/account/connector", claude_may_read="yes", stay_connected="yes")
    await visitor.check("connector-saved")
    await visitor.page.goto(authorize_url(hub, client_id, Pkce()))
    await visitor.check("consent")
    await visitor.page.locator('button[value="allow"]').click()
    await visitor.page.wait_for_url(f"{article.REDIRECT_URI}?*")
    await visitor.open("/account/apps")
    await visitor.check("apps-one")
    await _second_factor(visitor, email)
    await _invitation(visitor, mailbox, chromium)


async def _second_factor(visitor: Visitor, email: str) -> None:
    await visitor.open("/account/members")
    await visitor.submit("/account/members/invite", email="x@example.com", role="admin")
    await visitor.check("second-factor-needed")
    await visitor.open("/account/totp")
    await visitor.page.locator("summary").click()
    await visitor.check("totp")
    secret = (await visitor.page.locator("code.secret").inner_text()).replace(" ", "")
    totp, now = pyotp.TOTP(secret), int(utc_now().timestamp())
    await visitor.submit("/account/totp", code=totp.at(now), current_password=PASSWORD)
    await visitor.page.locator("ul.codes").wait_for()
    await visitor.check("recovery-codes")
    await visitor.open("/account/security")
    await visitor.check("security-on")
    await visitor.submit("/sign-out")
    await visitor.submit("/sign-in", email=email, password=PASSWORD)
    await visitor.check("sign-in-code")
    # The next code is taken a little early, as clocks differ, and each code only once.
    await visitor.submit("/sign-in/code", code=totp.at(now + 30))


async def _invitation(visitor: Visitor, mailbox: Mailbox, chromium: Browser) -> None:
    guest = f"ben-{uuid4().hex[:8]}@example.com"
    await visitor.open("/account/members")
    await visitor.submit("/account/members/invite", email=guest, role="operator")
    await visitor.check("members-invited")
    language = str(await visitor.page.locator("html").get_attribute("lang"))
    context = await new_context(chromium, visitor.hub, language=language)
    theirs = Visitor(await context.new_page(), visitor.hub, visitor._axe, language)
    await theirs.page.goto(await mailbox.link_to(guest))
    await theirs.check("invitation")
    await theirs.submit("/invitation", name="Ben", password=PASSWORD)
    await theirs.check("members-of-an-operator")
    await theirs.open("/account/connector")
    await theirs.check("connector-of-an-operator")
    await context.close()


async def test_a_code_is_asked_for_in_the_middle_of_a_form(
    visitor: Visitor, mailbox: Mailbox
) -> None:
    await new_owner(visitor, mailbox)
    await visitor.open("/account/totp")
    secret = str(await visitor.page.locator("code.secret").text_content()).replace(" ", "")
    code = pyotp.TOTP(secret).at(int(utc_now().timestamp()))
    await visitor.submit("/account/totp", code=code, current_password=PASSWORD)
    cookies = await visitor.page.context.cookies()
    await _forget_second_factor(visitor.hub, cookies)
    await visitor.open("/account/security")
    await visitor.submit("/account/totp/remove")
    await visitor.check("step-up")


async def _forget_second_factor(hub: RunningHub, cookies: Any) -> None:
    """Let the sign-in be as it is a quarter of an hour after its code."""
    from sqlalchemy import text  # noqa: PLC0415

    from hub.tenancy.sessions import digest_of  # noqa: PLC0415

    (token,) = [one["value"] for one in cookies if one["name"] == "monsys_session"]
    async with hub.database.transaction(presented=digest_of(token)) as session:
        await session.execute(text("UPDATE web_sessions SET second_factor_at = NULL"))


async def test_pages_for_everybody(visitor: Visitor) -> None:
    await visitor.open("/")
    await visitor.check("welcome")
    await visitor.open("/docs/claude-connector")
    await visitor.check("guide")


async def test_pages_of_the_home(visitor: Visitor, operator: Account) -> None:
    await visitor.open("/sign-in?next=/")
    await visitor.submit("/sign-in", email=operator.email, password=operator.password)
    await visitor.check("overview")


async def consent(visitor: Visitor, *, redirect_uri: str, scope: str = BOTH_SCOPES) -> None:
    """Open the consent page that a client with this redirect leads to."""
    client_id = await register(visitor.hub.http, visitor.hub.origin, redirect_uri=redirect_uri)
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": scope,
        "code_challenge": Pkce().challenge,
        "code_challenge_method": "S256",
    }
    await visitor.open(f"/mcp/oauth/authorize?{urlencode(query)}")


@pytest.mark.parametrize(
    ("name", "settings", "role"),
    [
        ("consent-strict", {"strict_residency": True, "claude_may_read": False}, Role.OWNER),
        ("consent-off", {"claude_may_read": False}, Role.ANALYST),
        ("consent-withheld", {"claude_may_acknowledge": False}, Role.OPERATOR),
        ("consent-staying", {"stay_connected": True, "stay_connected_days": 30}, Role.VIEWER),
        ("consent-opening-both", dict.fromkeys(SWITCHES, False), Role.ADMIN),
    ],
)
async def test_consent_in_its_kinds(
    name: str,
    settings: dict[str, Any],
    role: Role,
    visitor: Visitor,
    password_hash: str,
    password: str,
) -> None:
    """Of a person with two organisations, for an app on their own computer."""
    store = visitor.hub.database
    tenant = await make_tenant(store, name="Kesselbau & Söhne Wärmetechnik GmbH", **settings)
    other = await make_tenant(store, name="Beta")
    # Who may switch it on has an address of usual length, and so have the people to ask.
    await make_user(store, tenant, role=Role.OWNER, email=f"{uuid4().hex[:12]}@example.com")
    email = f"rosa-{uuid4().hex[:8]}@kesselbau.example.com"
    user = await make_user(store, tenant, role=role, email=email, password_hash=password_hash)
    async with store.transaction(tenant_id=other.id, user_id=user.id) as session:
        session.add(Membership(tenant_id=other.id, user_id=user.id, role=Role.VIEWER))
    await visitor.open("/sign-in")
    await visitor.submit("/sign-in", email=email, password=password)
    await consent(visitor, redirect_uri="http://127.0.0.1:4711/callback")
    chooser = visitor.page.locator('select[name="tenant"]')
    await chooser.select_option(tenant.slug)
    await visitor.page.locator('button[value="choose"]').click()
    await visitor.check(name)
    text = await visitor.page.locator("main").inner_text()
    for told in ("acceptance", "127.0.0.1", email, tenant.name):
        assert told in text


@pytest.fixture(scope="session")
def password_hash(password: str) -> str:
    return hash_password(password)
