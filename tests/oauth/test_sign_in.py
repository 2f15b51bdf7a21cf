"""Signing in and out in a browser without JavaScript."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col
from starlette.requests import Request

from hub.clock import utc_now
from hub.database import Database
from hub.principal import PERMISSIONS_BY_ROLE, Principal, Role
from hub.settings import Settings
from hub.tenancy.models import Tenant, User, WebSession
from oauth.sessions import is_same_site, local_target, session_principal
from tests.factories import make_user
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN, MakeSignedIn, make_app
from tests.oauth.flow import PASSWORD, PASSWORD_HASH
from tests.oauth.trail import events_of

COOKIE = "__Host-monsys_session"


async def principal_of(browser: Browser, app: FastAPI) -> Principal | None:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    headers = [(b"cookie", cookie.encode())]
    return await session_principal(Request({"type": "http", "app": app, "headers": headers}))


async def test_sets_a_cookie_that_scripts_and_other_hosts_cannot_touch(
    browser: Browser, database: Database, tenant: Tenant, app: FastAPI
) -> None:
    user = await make_user(database, tenant, role=Role.ADMIN, password_hash=PASSWORD_HASH)
    response = await browser.sign_in(f" {user.email.upper()} ", PASSWORD, next_="/agents?tag=a")
    assert response.status_code == 303
    assert response.headers["location"] == "/agents?tag=a"
    cookies = response.headers.get_list("set-cookie")
    name, _, attributes = cookies[0].partition("=")
    assert name == COOKIE
    assert {part.strip() for part in attributes.split(";")[1:]} == {
        "HttpOnly",
        "Max-Age=604800",
        "Path=/",
        "SameSite=lax",
        "Secure",
    }
    principal = await principal_of(browser, app)
    assert principal is not None
    assert (principal.tenant_id, principal.label) == (tenant.id, user.email)
    assert principal.permissions == PERMISSIONS_BY_ROLE[Role.ADMIN]


async def test_a_signed_in_person_is_sent_on(browser: Browser, sign_in_as: MakeSignedIn) -> None:
    await sign_in_as()
    response = await browser.get("/sign-in?next=/alerts")
    assert (response.status_code, response.headers["location"]) == (303, "/alerts")


async def test_strangers_and_wrong_passwords_read_the_same(
    browser: Browser, database: Database, tenant: Tenant
) -> None:
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    disabled = await make_user(database, tenant, password_hash=PASSWORD_HASH, disabled_at=utc_now())
    texts = set()
    for email, password in [
        (user.email, "wrong"),
        (user.email, "x" * 2000),
        ("nobody@example.com", PASSWORD),
        ("no address\x00", PASSWORD),
        (disabled.email, PASSWORD),
    ]:
        response = await browser.sign_in(email, password)
        assert response.status_code == 400
        assert COOKIE not in browser.http.cookies
        texts.add(Page(response.text).text)
    assert len(texts) == 1
    assert await events_of(database, tenant) == [("sign_in_failed", "refused")] * 3


async def test_every_sign_in_is_a_new_session_and_ends_the_former(
    browser: Browser, sign_in_as: MakeSignedIn, database: Database, tenant: Tenant
) -> None:
    """Session fixation: what the browser brought along is never raised to a sign-in."""
    email = await sign_in_as()
    former = browser.http.cookies[COOKIE]
    browser.http.cookies.delete(COOKIE)
    page = Page((await browser.get("/sign-in")).text)
    browser.http.cookies.set(COOKIE, former, domain="app.example.com", path="/")
    await browser.submit(page.form("/sign-in"), email=email, password=PASSWORD)
    assert browser.http.cookies[COOKIE] != former
    async with database.transaction(tenant_id=tenant.id) as session:
        ended = await session.scalars(
            select(col(WebSession.revoked_at).is_not(None)).order_by(col(WebSession.created_at))
        )
        assert list(ended) == [True, False]


@pytest.mark.parametrize(
    "values",
    [
        {"last_seen_at": utc_now() - timedelta(hours=13)},
        {"expires_at": utc_now()},
        {"revoked_at": utc_now()},
    ],
    ids=["idle", "absolute", "revoked"],
)
async def test_sessions_end(
    values: dict[str, object],
    browser: Browser,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
    app: FastAPI,
) -> None:
    await sign_in_as()
    assert await principal_of(browser, app) is not None
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(WebSession).values(**values))
    assert await principal_of(browser, app) is None


async def test_a_disabled_person_is_signed_out(
    browser: Browser, sign_in_as: MakeSignedIn, database: Database, tenant: Tenant, app: FastAPI
) -> None:
    await sign_in_as()
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(User).values(disabled_at=utc_now()))
    assert await principal_of(browser, app) is None


async def test_sign_out_ends_the_session_for_good(
    browser: Browser, sign_in_as: MakeSignedIn, database: Database, tenant: Tenant, app: FastAPI
) -> None:
    await sign_in_as()
    kept = browser.http.cookies[COOKIE]
    response = await browser.http.post(
        "/sign-out", data={"next": "/alerts"}, headers={"Origin": APP_ORIGIN}
    )
    assert response.headers["location"] == "/sign-in?next=%2Falerts"
    assert COOKIE not in browser.http.cookies
    browser.http.cookies.set(COOKIE, kept, domain="app.example.com", path="/")
    assert await principal_of(browser, app) is None
    assert (await events_of(database, tenant))[-1] == ("signed_out", "success")


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}]
)
async def test_nobody_else_signs_a_person_out(
    headers: dict[str, str], browser: Browser, sign_in_as: MakeSignedIn, app: FastAPI
) -> None:
    await sign_in_as()
    response = await browser.http.post("/sign-out", data={"a": "b"}, headers=headers)
    assert response.status_code == 403
    assert await principal_of(browser, app) is not None


async def test_nobody_signs_a_person_in_as_somebody_else(
    browser: Browser, database: Database, tenant: Tenant
) -> None:
    """Login CSRF: neither from another site, nor with a form that another browser was given."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    form = Page((await browser.get("/sign-in")).text).form("/sign-in")
    fields = form.fields | {"email": user.email, "password": PASSWORD}
    cross = await browser.http.post(
        "/sign-in", data=fields, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert cross.status_code == 403
    browser.http.cookies.clear()
    other = await browser.http.post("/sign-in", data=fields)
    assert other.status_code == 403
    assert COOKIE not in browser.http.cookies


async def test_attempts_are_slowed_down(
    settings: Settings, database: Database, tenant: Tenant
) -> None:
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    app = make_app(settings.model_copy(update={"sign_in_attempts_per_minute": 3}), database)
    async with Browser(app, APP_ORIGIN, address="2001:db8:aaac::1") as browser:
        statuses = [(await browser.sign_in(user.email, "wrong")).status_code for _ in range(3)]
        response = await browser.sign_in(user.email, PASSWORD)
    assert statuses == [400, 400, 400]
    assert response.status_code == 429
    assert 0 < int(response.headers["retry-after"]) <= 61


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "alerts",
        "",
    ],
)
def test_sign_in_leads_to_our_own_pages_only(target: str) -> None:
    """RFC 9700 §4.11 (open redirection)."""
    assert local_target(target) == "/"


def test_sign_in_keeps_where_a_person_wanted_to_go() -> None:
    assert local_target("/mcp/oauth/authorize?a=b%20c") == "/mcp/oauth/authorize?a=b%20c"


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": "https://app.example.com"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),
        ({"origin": "https://app.example.com"}, True),
        ({"origin": "https://api.example.com"}, True),
        ({"origin": "null"}, False),
        ({}, True),
    ],
)
def test_browsers_say_where_a_request_comes_from(
    headers: dict[str, str], *, is_ours: bool, app: FastAPI
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_same_site(Request({"type": "http", "app": app, "headers": raw})) is is_ours
