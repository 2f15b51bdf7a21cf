"""From no account to a connected app, with a keyboard alone."""

from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect

from tests.acceptance import article
from tests.acceptance.connector import Pkce, register
from tests.acceptance.person import callback_parameters
from tests.acceptance.test_authorization_flow import authorize_url, exchange
from tests.browser.conftest import new_context
from tests.browser.keyboard import fill, press, stops, tab_to
from tests.mailbox import Mailbox
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

PASSWORD = "blue lamp tower seven"
WORDS = {
    "en": {
        "sign up": "Create an account",
        "email": "E-mail address",
        "organisation": "Organisation",
        "password": "Choose a password",
        "confirm": "Confirm and go on",
        "tick": "Claude may read in",
        "allow": "Allow",
        "skip": "Skip to the content",
    },
    "de": {
        "sign up": "Konto anlegen",
        "email": "E-Mail-Adresse",
        "organisation": "Organisation",
        "password": "Passwort wählen",
        "confirm": "Bestätigen und weiter",
        "tick": "Claude darf in",
        "allow": "Erlauben",
        "skip": "Zum Inhalt springen",
    },
}


@pytest.mark.parametrize("language", ["en", "de"])
async def test_a_stranger_signs_up_and_connects_an_app_by_keyboard_alone(
    language: str, chromium: Browser, mailing_hub: RunningHub, mailbox: Mailbox
) -> None:
    hub, words, email = mailing_hub, WORDS[language], f"{uuid4().hex}@example.com"
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    pkce = Pkce()
    context = await new_context(chromium, hub, language=language)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    await page.goto(authorize_url(hub, client_id, pkce))
    await press(page, words["sign up"])
    await page.wait_for_url("**/signup?*")
    await fill(page, words["email"], email)
    await fill(page, words["organisation"], "Kesselbau")
    await fill(page, words["password"], PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/signup/sent")
    await page.goto(await mailbox.link_to(email))
    await press(page, words["confirm"])
    await page.wait_for_url("**/mcp/oauth/authorize?*")
    await tab_to(page, words["tick"])
    await page.keyboard.press("Space")
    async with page.expect_request(lambda r: r.url.startswith(article.REDIRECT_URI)) as request:
        await press(page, words["allow"])

    parameters = callback_parameters((await request.value).url)
    status, token = await exchange(hub, client_id, parameters["code"], pkce.verifier)
    assert (status, token["scope"]) == (200, "mcp.read")
    assert complaints == []
    await context.close()


async def test_the_focus_goes_through_the_page_in_the_order_of_reading(
    chromium: Browser, mailing_hub: RunningHub
) -> None:
    context = await new_context(chromium, mailing_hub)
    page = await context.new_page()
    await page.goto(f"{mailing_hub.app_origin}/signup")
    # The first field has the focus when the page opens; begin where the page begins.
    await page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    assert await stops(page) == [
        "Skip to the content",
        "E-mail address",
        "Organisation",
        "Choose a password",
        "Create an account",
        "You have an account? Sign in",
    ]
    await context.close()


async def test_signing_up_needs_no_script(
    chromium: Browser, mailing_hub: RunningHub, mailbox: Mailbox
) -> None:
    email = f"{uuid4().hex}@example.com"
    context = await new_context(chromium, mailing_hub, scripts=False)
    page = await context.new_page()
    await page.goto(f"{mailing_hub.app_origin}/signup")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Organisation").fill("Kesselbau")
    await page.get_by_label("Choose a password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/signup/sent")
    await page.goto(await mailbox.link_to(email))
    await page.get_by_role("button", name="Confirm and go on").click()
    await page.wait_for_url(f"{mailing_hub.app_origin}/")
    await expect(page.get_by_text(email).first).to_be_visible()
    await context.close()
