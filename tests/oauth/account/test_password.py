"""Forgotten and changed passwords; each ends the sign-ins that it should."""

from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from hub.clock import utc_now
from hub.database import Database
from hub.mail import NoMail
from hub.tenancy.models import Tenant
from tests.factories import make_user
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.account.outbox import Outbox
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN
from tests.oauth.flow import PASSWORD, PASSWORD_HASH
from tests.oauth.trail import events_of

NEW = "quiet copper bicycle dawn"


async def ask_for_link(browser: Browser, email: str) -> int:
    form = Page((await browser.get("/password/forgot")).text).form("/password/forgot")
    response = await browser.submit(form, email=email)
    if response.status_code == 303:
        assert response.headers["location"] == "/password/sent"
    return response.status_code


async def test_a_link_sets_a_new_password_and_ends_every_sign_in(
    browser: Browser, someone: MakeSomeone, outbox: Outbox, database: Database, tenant: Tenant
) -> None:
    person = await someone()
    assert await ask_for_link(browser, person.email) == 303
    link = outbox.link_to(person.email)
    assert link.startswith("/password/reset?token=")
    form = Page((await browser.get(link)).text).form("/password/reset")

    response = await browser.submit(form, password=NEW)

    assert response.headers["location"] == "/sign-in?note=password-changed"
    assert (await person.browser.get("/account/security")).status_code == 303
    assert (await browser.sign_in(person.email, PASSWORD)).status_code == 400
    assert (await browser.sign_in(person.email, NEW)).status_code == 303
    assert [letter.subject for letter in outbox.to(person.email)] == [
        "Choose a new password for monsys",
        "Your monsys password was changed",
    ]
    assert await events_of(database, tenant) == [
        ("signed_in", "success"),
        ("password_reset_requested", "success"),
        ("password_changed", "success"),
        ("session_refused", "refused"),
        ("sign_in_failed", "refused"),
        ("signed_in", "success"),
    ]
    assert (await browser.submit(form, password=NEW)).status_code == 400


async def test_one_used_link_ends_the_others(
    browser: Browser, someone: MakeSomeone, outbox: Outbox
) -> None:
    person = await someone()
    await ask_for_link(browser, person.email)
    first = outbox.link_to(person.email)
    await ask_for_link(browser, person.email)
    form = Page((await browser.get(outbox.link_to(person.email))).text).form("/password/reset")
    assert (await browser.submit(form, password=NEW)).status_code == 303
    assert (await browser.get(first)).status_code == 400


async def test_nobody_learns_who_has_an_account(
    browser: Browser, database: Database, tenant: Tenant, outbox: Outbox, email: str
) -> None:
    disabled = await make_user(database, tenant, disabled_at=utc_now())
    for address in (email, disabled.email, "no address"):
        assert await ask_for_link(browser, address) == 303
        assert outbox.to(address) == []


async def test_a_weak_new_password_keeps_the_link_good(
    browser: Browser, someone: MakeSomeone, outbox: Outbox
) -> None:
    person = await someone()
    await ask_for_link(browser, person.email)
    form = Page((await browser.get(outbox.link_to(person.email))).text).form("/password/reset")
    assert (await browser.submit(form, password="password1234")).status_code == 400
    assert (await browser.submit(form, password=NEW)).status_code == 303


@pytest.mark.parametrize("token", ["", "x", "%00", "a" * 5000])
async def test_a_made_up_link_is_over(token: str, browser: Browser) -> None:
    response = await browser.get(f"/password/reset?token={token}")
    assert response.status_code == 400
    assert "no longer good" in Page(response.text).text


async def test_is_refused_where_no_letter_can_be_sent(
    app: FastAPI, browser: Browser, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.oauth.mail, "check", NoMail().check)
    assert await ask_for_link(browser, email) == 503


async def test_changing_it_keeps_this_sign_in_with_a_new_cookie_and_ends_the_others(
    someone: MakeSomeone, app: FastAPI, outbox: Outbox
) -> None:
    person = await someone()
    async with Browser(app, APP_ORIGIN) as other:
        assert (await other.sign_in(person.email, PASSWORD)).status_code == 303
        former = person.browser.http.cookies["__Host-monsys_session"]
        response = await person.post("/account/password", current_password=PASSWORD, password=NEW)
        assert response.headers["location"] == "/account/security?done=password-changed"
        assert (await other.get("/account/security")).status_code == 303
    assert person.browser.http.cookies["__Host-monsys_session"] != former
    await person.page("/account/security")
    person.browser.http.cookies.set(
        "__Host-monsys_session", former, domain="app.example.com", path="/"
    )
    assert (await person.browser.get("/account/security")).status_code == 303
    assert len(outbox.to(person.email)) == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"current_password": "wrong", "password": NEW}, "The present password is not right."),
        ({"current_password": PASSWORD, "password": "short"}, "at least 12 characters"),
    ],
)
async def test_is_not_changed_without_the_present_one_or_to_a_weak_one(
    fields: dict[str, str], why: str, someone: MakeSomeone, browser: Browser
) -> None:
    person = await someone()
    response = await person.post("/account/password", **fields)
    assert response.status_code == 400
    assert why in Page(response.text).text
    assert (await browser.sign_in(person.email, PASSWORD)).status_code == 303


async def test_signing_out_everywhere_ends_every_sign_in_in_every_tenant(
    someone: MakeSomeone, app: FastAPI, database: Database, tenant: Tenant
) -> None:
    person = await someone()
    async with Browser(app, APP_ORIGIN) as other:
        await other.sign_in(person.email, PASSWORD)
        response = await person.post("/account/sign-out-everywhere")
        assert urlsplit(response.headers["location"]).path == "/sign-in"
        assert (await other.get("/account/security")).status_code == 303
    assert (await person.browser.get("/account/security")).status_code == 303
    assert ("signed_out_everywhere", "success") in await events_of(database, tenant)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/account/password",
        "/account/sign-out-everywhere",
        "/account/totp",
        "/account/totp/remove",
        "/account/recovery-codes",
        "/account/tenant",
        "/account/members/invite",
        "/account/members/role",
        "/account/members/remove",
        "/account/members/invitation/revoke",
        "/account/connector",
        "/account/apps/revoke",
    ],
)
async def test_no_other_site_changes_anything(
    path: str, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    """CSRF: neither a foreign origin, nor a form without the proof, nor one of another session."""
    person, other = await someone(totp=True), await someone()
    form = (await person.page("/account/security")).form("/account/sign-out-everywhere")
    foreign = (await other.page("/account/security")).form("/account/sign-out-everywhere")
    post = person.browser.http.post
    ours = {"Origin": APP_ORIGIN, "Sec-Fetch-Site": "same-origin"}
    before = await events_of(database, tenant)
    statuses = [
        (await post(path, data=form.fields, headers={"Sec-Fetch-Site": "cross-site"})).status_code,
        (await post(path, data=form.fields, headers={"Origin": "https://e.xample"})).status_code,
        (await post(path, data={"a": "b"}, headers=ours)).status_code,
        (await post(path, data=foreign.fields, headers=ours)).status_code,
    ]
    assert statuses == [403] * 4
    refused = [("form_refused", "refused")] * 4
    assert await events_of(database, tenant) == [*before, *refused]


@pytest.mark.parametrize(
    "path", ["/account/security", "/account/totp", "/account/members", "/account/connector"]
)
async def test_strangers_are_sent_to_sign_in_and_back(path: str, browser: Browser) -> None:
    response = await browser.get(path)
    assert response.status_code == 303
    assert response.headers["location"] == f"/sign-in?next=%2Faccount%2F{path.split('/')[2]}"


async def test_account_pages_stand_in_no_frame_and_run_no_script(someone: MakeSomeone) -> None:
    person = await someone()
    response = await person.browser.get("/account/security")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
    assert response.headers["cache-control"] == "no-store"
    assert "<script" not in response.text
    assert PASSWORD_HASH not in response.text
