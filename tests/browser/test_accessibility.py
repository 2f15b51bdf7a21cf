"""Every page through axe-core and by Tab, in both languages, in light, in dark, on a phone."""

from typing import Any
from uuid import uuid4

import pyotp
import pytest
from playwright.async_api import Browser

from hub.clock import utc_now
from tests.acceptance import article
from tests.acceptance.connector import Pkce, register
from tests.acceptance.person import Account
from tests.acceptance.test_authorization_flow import authorize_url
from tests.browser.conftest import new_context
from tests.browser.visitor import Visitor
from tests.mailbox import Mailbox
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

PASSWORD = "blue lamp tower seven"


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
    theirs = Visitor(await context.new_page(), visitor.hub, visitor.axe_script, language)
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
