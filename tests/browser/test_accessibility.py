"""Every page through axe-core and by Tab, in both languages, in light, in dark, on a phone."""

from typing import Any
from uuid import uuid4

import pyotp
import pytest
from playwright.async_api import Browser
from sqlalchemy import text

from hub.alerts.webhooks.models import DeliveryState, WebhookDelivery, WebhookEvent
from hub.alerts.webhooks.queries import webhooks
from hub.clock import utc_now
from hub.fleet.models import Agent
from hub.tenancy.sessions import digest_of
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
    for name in ("hosts", "ingest", "webhooks", "alerts"):
        await theirs.open(f"/account/{name}")
        await theirs.check(f"{name}-of-an-operator")
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


async def test_pages_of_hosts_ingest_keys_and_webhooks(visitor: Visitor, mailbox: Mailbox) -> None:
    await new_owner(visitor, mailbox)
    for name in ("hosts", "ingest", "webhooks"):
        await visitor.open(f"/account/{name}")
        await visitor.check(f"{name}-empty")
    await visitor.open("/account/hosts")
    await visitor.submit("/account/hosts/token", name="web-01", tags="no tag")
    await visitor.check("hosts-refused")
    await visitor.submit("/account/hosts/token", tags="env:production")
    await visitor.check("enrolment-token")
    await visitor.open("/account/ingest")
    await visitor.submit("/account/ingest/key", source="wazuh", name="W" * 100)
    await visitor.check("ingest-key")
    await visitor.open("/account/webhooks")
    await visitor.submit("/account/webhooks/new", name="on call", url="https://10.0.0.1/")
    await visitor.check("webhooks-refused")
    await visitor.submit("/account/webhooks/new", url="https://1.1.1.1/hook")
    await visitor.check("webhook-secret")
    await _something_happened(visitor)
    for name in ("hosts", "ingest", "webhooks", "alerts"):
        await visitor.open(f"/account/{name}")
        await visitor.page.locator("summary").first.click()
        await visitor.check(name)


async def _something_happened(visitor: Visitor) -> None:
    """Let a server report, and a notification have failed."""
    database = visitor.hub.database
    cookies = await visitor.page.context.cookies()
    (token,) = [one["value"] for one in cookies if one.get("name") == "monsys_session"]
    digest = digest_of(str(token))
    async with database.transaction(presented=digest) as session:
        tenant_id = (await session.execute(text("SELECT tenant_id FROM web_sessions"))).scalar_one()
    async with database.transaction(tenant_id=tenant_id) as session:
        session.add(Agent(tenant_id=tenant_id, name="web-01", last_seen_at=utc_now()))
        (webhook,) = await webhooks(session)
        session.add(
            WebhookDelivery(
                tenant_id=tenant_id,
                webhook_id=webhook.id,
                event=WebhookEvent.ALERT_OPENED,
                subject_id=uuid4(),
                state=DeliveryState.FAILED,
                attempts=8,
                last_error="timeout",
            )
        )


async def _forget_second_factor(hub: RunningHub, cookies: Any) -> None:
    """Let the sign-in be as it is a quarter of an hour after its code."""
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
