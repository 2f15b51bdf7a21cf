"""`monsys serve` without a mail server: links in its log in development, refusals in production."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx2
import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.acceptance.person import Page as HtmlPage
from tests.running_hub import HubProcess

PASSWORD = "blue lamp tower seven"
PUBLIC = "https://hub.example.com"
REFUSED = (
    "This hub cannot send e-mail yet, so nothing was changed. Its operator has to set"
    " MONSYS_SMTP_URL and MONSYS_MAIL_FROM."
)


async def printed_link(hub: HubProcess, email: str, path: str) -> str:
    """Return the link to this page for this person, as printed; letters leave after the answer."""
    async with asyncio.timeout(30):
        while True:
            lines = (await asyncio.to_thread(hub.log.read_text, "utf-8")).splitlines()
            for line in reversed(lines):
                if email in line and f"{path}?token=" in line:
                    link: str = orjson.loads(line)["link"]
                    return link
            await asyncio.sleep(0.05)


@pytest.mark.browser
@pytest.mark.slow
async def test_in_development_the_links_stand_in_the_log_and_work(
    demo_url: str, chromium: Browser, tmp_path: Path
) -> None:
    email = f"{uuid4().hex}@example.com"
    context = await chromium.new_context(locale="en")
    page = await context.new_page()
    async with HubProcess(demo_url, tmp_path) as hub:
        await page.goto(f"{hub.origin}/signup")
        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_label("Organisation").fill("Kesselbau")
        await page.get_by_label("Choose a password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/signup/sent")
        await page.goto(await printed_link(hub, email, "/signup/confirm"))
        await page.get_by_role("button", name="Confirm and go on").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()

        await page.goto(f"{hub.origin}/password/forgot")
        await page.get_by_label("E-mail address").fill(email)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/password/sent")
        await page.goto(await printed_link(hub, email, "/password/reset"))
        await page.get_by_label("New password").fill(f"{PASSWORD} more")
        await page.keyboard.press("Enter")

        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_label("Password").fill(f"{PASSWORD} more")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await context.close()


@pytest_asyncio.fixture(scope="module")
async def production(
    demo_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HubProcess]:
    process = HubProcess(
        demo_url,
        tmp_path_factory.mktemp("production"),
        environment="production",
        api_origin=PUBLIC,
        secret_key=base64.b64encode(bytes(range(32))).decode(),
    )
    async with process as hub:
        yield hub


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/signup", {"organisation": "Kesselbau", "password": PASSWORD}),
        ("/password/forgot", {}),
    ],
)
async def test_in_production_what_needs_a_letter_is_refused_and_says_what_is_missing(
    path: str, fields: dict[str, str], production: HubProcess
) -> None:
    email = f"{uuid4().hex}@example.com"
    # What the reverse proxy that ends TLS passes on.
    headers = {"Host": "hub.example.com", "Origin": PUBLIC}
    async with httpx2.AsyncClient(
        base_url=production.origin, headers=headers, trust_env=False
    ) as http:
        form = await http.get(path)
        (cookie,) = form.headers.get_list("set-cookie")
        hidden = HtmlPage(form.text).forms[-1].fields
        answer = await http.post(
            path,
            data=hidden | {"email": email} | fields,
            headers={"Cookie": cookie.partition(";")[0]},
        )

    assert answer.status_code == 503
    assert REFUSED in HtmlPage(answer.text).text
    printed = await asyncio.to_thread(production.log.read_text, "utf-8")
    assert email not in printed
    assert "token=" not in printed
