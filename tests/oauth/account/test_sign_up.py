"""Signing up: a letter first, and then a tenant whose connector works at once."""

from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text, update
from sqlmodel import select

from hub.clock import utc_now
from hub.database import Database
from hub.mail import NoMail
from hub.principal import Role
from hub.settings import Settings
from hub.tenancy.models import AccountLink, Tenant
from hub.tenancy.password_policy import TOO_CLOSE, TOO_COMMON, TOO_SHORT, TOO_WEAK
from hub.tenancy.queries import account_by_email, memberships_of
from tests.factories import make_user
from tests.oauth.account.conftest import app_with
from tests.oauth.account.outbox import Outbox
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN
from tests.oauth.flow import AUTHORIZE, TOKEN, Client, answer_of
from tests.oauth.trail import events_of

PASSWORD = "blue lamp tower seven"
SESSION = "__Host-monsys_session"


async def sign_up(
    browser: Browser, email: str, *, password: str = PASSWORD, next_: str = "/", name: str = "Acme"
) -> httpx2.Response:
    page = Page((await browser.http.get("/signup", params={"next": next_})).text)
    form = page.form("/signup")
    return await browser.submit(form, email=email, password=password, organisation=name)


async def confirm(browser: Browser, link: str, **fields: str) -> httpx2.Response:
    page = Page((await browser.get(link)).text)
    return await browser.submit(page.form("/signup/confirm"), **fields)


async def test_gives_a_tenant_with_five_free_servers_and_its_owner(
    browser: Browser, email: str, outbox: Outbox, database: Database
) -> None:
    response = await sign_up(browser, f" {email.upper()} ", name="  Acme   Stahl GmbH ")
    assert (response.status_code, response.headers["location"]) == (303, "/signup/sent")
    assert "once" in Page((await browser.get("/signup/sent")).text).text
    assert SESSION not in browser.http.cookies

    response = await confirm(browser, outbox.link_to(email))

    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert SESSION in browser.http.cookies
    async with database.transaction(presented=email) as session:
        account = await account_by_email(session, email=email)
    assert account is not None
    async with database.transaction(user_id=account.user_id) as session:
        (membership,) = await memberships_of(session, user_id=account.user_id)
        tenant = (await session.execute(select(Tenant))).scalar_one()
        confirmed = await session.scalar(text("SELECT email_confirmed_at FROM users"))
    assert (membership.role, membership.tenant_name) == (Role.OWNER, "Acme Stahl GmbH")
    assert (tenant.plan, tenant.server_limit, tenant.claude_may_read) == ("free", 5, False)
    assert tenant.slug.startswith("acme-stahl-gmbh-")
    assert confirmed is not None
    assert await events_of(database, tenant) == [
        ("tenant_created", "success"),
        ("user_added", "success"),
        ("email_confirmed", "success"),
        ("signed_in", "success"),
    ]


async def test_a_connection_that_was_begun_goes_on_after_it(
    browser: Browser, api: httpx2.AsyncClient, client: Client, email: str, outbox: Outbox
) -> None:
    to_sign_in = await browser.get(client.authorize_url(scope="mcp.read"))
    page = Page((await browser.get(to_sign_in.headers["location"])).text)
    form = page.form("/sign-in")
    await sign_up(browser, email, next_=form.fields["next"])
    response = await confirm(browser, outbox.link_to(email))
    assert urlsplit(response.headers["location"]).path == AUTHORIZE

    consent = Page((await browser.get(response.headers["location"])).text)
    form = consent.form(AUTHORIZE, field="csrf_token")
    assert form.boxes == {"enable_read"}
    allowed = await browser.submit(form, decision="allow", enable_read="yes")
    code = answer_of(allowed)["code"]

    token = await api.post(TOKEN, data=client.token_form(code))
    assert (token.status_code, token.json()["scope"]) == (200, "mcp.read")


async def test_does_not_tell_whether_an_address_has_an_account(
    browser: Browser, email: str, outbox: Outbox, database: Database, tenant: Tenant
) -> None:
    user = await make_user(database, tenant)
    fresh, taken = await sign_up(browser, email), await sign_up(browser, user.email)
    assert fresh.status_code == taken.status_code == 303
    assert fresh.headers["location"] == taken.headers["location"]
    assert fresh.content == taken.content
    (letter,) = outbox.to(user.email)
    assert letter.subject == "You have a monsys account already"
    assert "/signup/confirm" not in letter.text
    assert await events_of(database, tenant) == []


async def test_opening_the_link_alone_makes_nothing_and_it_works_once(
    browser: Browser, email: str, outbox: Outbox, database: Database
) -> None:
    await sign_up(browser, email)
    link = outbox.link_to(email)
    for _ in range(2):
        assert (await browser.get(link)).status_code == 200
    async with database.transaction(presented=email) as session:
        assert await account_by_email(session, email=email) is None
    form = Page((await browser.get(link)).text).form("/signup/confirm")
    assert (await browser.submit(form)).status_code == 303
    assert (await browser.submit(form)).status_code == 400
    assert (await browser.get(link)).status_code == 400


async def test_a_link_is_over_after_half_an_hour(
    browser: Browser, email: str, outbox: Outbox, database: Database
) -> None:
    await sign_up(browser, email)
    async with database.transaction(presented="*") as session:
        await session.execute(update(AccountLink).values(expires_at=utc_now()))
    assert (await browser.get(outbox.link_to(email))).status_code == 400


async def test_another_browser_needs_the_password_that_was_chosen(
    browser: Browser, app: FastAPI, email: str, outbox: Outbox, database: Database
) -> None:
    """Pre-hijacking: who confirms an address must be who chose the password."""
    await sign_up(browser, email)
    async with Browser(app, APP_ORIGIN) as other:
        page = Page((await other.get(outbox.link_to(email))).text)
        form = page.form("/signup/confirm")
        refused = await other.submit(form, password="another password entirely")
        assert refused.status_code == 400
        async with database.transaction(presented=email) as session:
            assert await account_by_email(session, email=email) is None
        assert (await other.submit(form, password=PASSWORD)).status_code == 303


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("Tr0ub4dor&3", TOO_SHORT),
        ("Password1234!", TOO_COMMON),
        ("qwertyuiop12", TOO_COMMON),
        ("aaaaaaaaaaaaaaaa", TOO_WEAK),
        ("Correct Horse Battery Staple", TOO_COMMON),
        ("Kesselbau-monsys-2026", TOO_CLOSE),
    ],
)
async def test_a_password_that_is_quickly_guessed_is_refused(
    password: str, why: str, browser: Browser, email: str, outbox: Outbox
) -> None:
    response = await sign_up(browser, email, password=password, name="Kesselbau")
    assert response.status_code == 400
    assert why in Page(response.text).text
    assert outbox.to(email) == []


@pytest.mark.parametrize(
    "password", ["blau lampe turm sieben", "x9$kQ2mv!pLr", "äöü wolke tisch", "a b c d e f g h i j"]
)
async def test_no_kind_of_character_is_demanded(
    password: str, browser: Browser, email: str, outbox: Outbox
) -> None:
    assert (await sign_up(browser, email, password=password)).status_code == 303
    assert len(outbox.to(email)) == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"email": "ada"}, "This is no e-mail address."),
        ({"organisation": "  "}, "The organisation needs a name"),
        ({"organisation": "a\u202eb"}, "The organisation needs a name"),
        ({"organisation": "x" * 101}, "The organisation needs a name"),
    ],
)
async def test_says_what_is_missing_and_keeps_what_was_typed(
    fields: dict[str, str], why: str, browser: Browser, email: str
) -> None:
    form = Page((await browser.get("/signup")).text).form("/signup")
    typed = {"email": email, "organisation": "Acme", "password": PASSWORD} | fields
    response = await browser.submit(form, **typed)
    page = Page(response.text)
    assert response.status_code == 400
    assert why in page.text
    assert page.form("/signup").fields["email"] == typed["email"]
    assert PASSWORD not in response.text


async def test_is_refused_where_no_letter_can_be_sent(
    app: FastAPI, browser: Browser, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = Page((await browser.get("/signup")).text).form("/signup")
    monkeypatch.setattr(app.state.oauth.mail, "check", NoMail().check)
    response = await browser.submit(form, email=email, organisation="Acme", password=PASSWORD)
    assert response.status_code == 503
    assert "MONSYS_SMTP_URL" in response.text


async def test_an_address_causes_only_so_many_letters(
    settings: Settings, database: Database, outbox: Outbox, email: str
) -> None:
    app = app_with(settings, database, outbox, account_letters_per_hour=2)
    async with Browser(app, APP_ORIGIN, address="2001:db8:aaab::1") as browser:
        statuses = [(await sign_up(browser, f"{n}{email}")).status_code for n in range(3)]
    assert statuses == [303, 303, 429]


async def test_a_mailbox_gets_only_so_many_letters_and_the_page_stays_the_same(
    browser: Browser, email: str, outbox: Outbox
) -> None:
    statuses = [(await sign_up(browser, email)).status_code for _ in range(7)]
    assert statuses == [303] * 7
    assert len(outbox.to(email)) == 5


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://e.xample"}]
)
async def test_no_other_site_signs_anybody_up(
    headers: dict[str, str], browser: Browser, email: str, outbox: Outbox
) -> None:
    form = Page((await browser.get("/signup")).text).form("/signup")
    fields = form.fields | {"email": email, "organisation": "Acme", "password": PASSWORD}
    assert (await browser.http.post("/signup", data=fields, headers=headers)).status_code == 403
    browser.http.cookies.clear()
    assert (await browser.http.post("/signup", data=fields)).status_code == 403
    assert outbox.to(email) == []


async def test_the_secret_of_a_link_is_not_stored(
    browser: Browser, email: str, outbox: Outbox, database: Database
) -> None:
    await sign_up(browser, email)
    token = outbox.link_to(email).partition("token=")[2]
    async with database.transaction(presented="*") as session:
        rows = (await session.execute(select(AccountLink))).scalars().all()
        stored = [f"{row.digest} {row.sealed!r}" for row in rows]
    assert all(token not in row and email not in row for row in stored)
