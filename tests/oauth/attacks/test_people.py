"""Attacks on people's accounts: forged forms, enumeration, guessed passwords and codes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx2
import pyotp
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant, User, WebSession
from hub.tenancy.totp import new_totp_secret, seal_totp_secret
from tests.factories import make_user
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import PASSWORD, PASSWORD_HASH

STRANGER = "nobody@example.com"
SESSION = "__Host-monsys_session"
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


async def test_nobody_is_signed_in_from_another_site(
    browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7.1 (login CSRF): a person would act in the attacker's account."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    form = Page((await browser.get("/sign-in")).text).form("/sign-in")
    data = form.fields | {"email": user.email, "password": PASSWORD}
    await scene.begin()
    response = await browser.http.post("/sign-in", data=data, headers=FOREIGN)
    await scene.refused(response, status=403, reason="another site", audited=False)


async def test_sign_in_needs_the_form_of_this_browser(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7.1: the attacker's own form does not work in another browser."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    async with Browser(app, browser.origin) as attacker:
        stolen = Page((await attacker.get("/sign-in")).text).form("/sign-in")
    await browser.get("/sign-in")
    await scene.begin()
    response = await browser.submit(stolen, email=user.email, password=PASSWORD)
    await scene.refused(response, status=403, reason="forged_form", audited=False)


@pytest.mark.parametrize("path", ["/signup", "/password/forgot"])
async def test_no_letter_is_caused_from_another_site(
    path: str, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7: nor are people's mailboxes filled by pages they look at."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    form = Page((await browser.get(path)).text).form(path)
    data = form.fields | {"email": user.email, "organisation": "A", "password": PASSWORD}
    await scene.begin()
    response = await browser.http.post(path, data=data, headers=FOREIGN)
    await scene.refused(response, status=403, reason="another site", audited=False)


@pytest.mark.parametrize(
    "path",
    [
        "/account/connector",
        "/account/apps",
        "/account/members",
        "/account/totp",
        "/account/password",
        "/account/recovery-codes",
        "/account/sign-out-everywhere",
        "/account/tenant",
    ],
)
async def test_settings_cannot_be_changed_from_another_site(
    path: str, browser: Browser, app: FastAPI, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.7: switches, connected apps, members, password and second factor."""
    posts = [p for p in app.openapi()["paths"] if p.startswith(path)]
    posts = [p for p in posts if "post" in app.openapi()["paths"][p]]
    assert posts, f"no form below {path}"
    await sign_in_as()
    await scene.begin()
    for target in posts:
        response = await browser.http.post(target, data={"a": "b"}, headers=FOREIGN)
        await scene.refused(response, status=403, reason="another site", audited=True)


async def test_settings_need_the_form_of_this_session(
    app: FastAPI, browser: Browser, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.7: not even one that the attacker was given in an account of their own."""
    async with Browser(app, browser.origin, address="2001:db8:fffd::1") as attacker:
        own = browser.http
        await sign_in_as()
        attacker.http.cookies.update(browser.http.cookies)
        stolen = Page((await attacker.get("/account/security")).text)
        browser.http = own
    browser.http.cookies.clear()
    await sign_in_as()
    await scene.begin()
    form = stolen.form("/account/sign-out-everywhere")
    response = await browser.submit(form)
    await scene.refused(response, status=403, reason="forged_form", audited=True)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["known", "stranger", "disabled", "no address"])
async def test_the_answer_does_not_tell_who_has_an_account(
    who: str, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4 and OWASP ASVS 2.2: same status, same page, same headers."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    disabled = await make_user(database, tenant, password_hash=PASSWORD_HASH, disabled_at=utc_now())
    email, password, reason = {
        "known": (user.email, "wrong", "wrong_password"),
        "stranger": (STRANGER, "wrong", "unknown_account"),
        "disabled": (disabled.email, PASSWORD, "disabled_account"),
        "no address": ("not an address", "wrong", "unknown_account"),
    }[who]
    await scene.begin()
    response = await browser.sign_in(email, password)
    await scene.refused(response, status=400, reason=reason, audited=who in {"known", "disabled"})
    expected = await browser.sign_in(f"{user.id.hex}@nobody.example", "wrong")
    assert _told(response, email) == _told(expected, f"{user.id.hex}@nobody.example")


def _told(response: httpx2.Response, email: str) -> tuple[int, str, list[str]]:
    """Return all that an answer tells, but for what the caller knew before."""
    proof = Page(response.text).form("/sign-in").fields["csrf_token"]
    text = response.text.replace(email, "EMAIL").replace(proof, "PROOF")
    return response.status_code, text, sorted(response.headers)


async def test_guessing_a_password_is_slowed_down(
    browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 6749 §10.10, OWASP ASVS 2.2.1."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    await scene.begin()
    responses = [await browser.sign_in(user.email, "wrong") for _ in range(9)]
    assert [response.status_code for response in responses] == [400] * 6 + [429] * 3
    for response in responses[:6]:
        await scene.logged(response, reason="wrong_password", audited=True)
    for response in responses[6:]:
        await scene.refused(response, status=429, reason="too_many_requests")


@pytest.mark.slow
async def test_guessing_for_strangers_is_slowed_down_alike(
    browser: Browser, scene: Scene, tenant: Tenant
) -> None:
    """OWASP ASVS 2.2.1: when guessing slows down tells nothing of who exists."""
    email = f"{tenant.id.hex}@nobody.example"
    await scene.begin()
    responses = [await browser.sign_in(email, "wrong") for _ in range(9)]
    assert [response.status_code for response in responses] == [400] * 6 + [429] * 3
    for response in responses[:6]:
        await scene.logged(response, reason="unknown_account", audited=False)
    for response in responses[6:]:
        await scene.refused(response, status=429, reason="too_many_requests", audited=False)


async def test_a_session_that_was_planted_is_worth_nothing(
    app: FastAPI, browser: Browser, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.7.1, session fixation: the token changes at sign-in, and the former one ends."""
    email = await sign_in_as()
    planted = browser.http.cookies[SESSION]
    browser.http.cookies.delete(SESSION)
    form = Page((await browser.get("/sign-in")).text).form("/sign-in")
    browser.http.cookies.set(SESSION, planted, domain="app.example.com", path="/")
    await browser.submit(form, email=email, password=PASSWORD)
    assert browser.http.cookies[SESSION] != planted
    async with Browser(app, browser.origin, address="2001:db8:fffc::1") as attacker:
        attacker.http.cookies.set(SESSION, planted, domain="app.example.com", path="/")
        await scene.begin()
        response = await attacker.get("/account/security")
    await scene.refused(response, status=303, reason="was ended", audited=True)
    assert response.headers["location"].startswith("/sign-in?")


async def test_a_session_is_not_guessed(browser: Browser, scene: Scene) -> None:
    """NIST SP 800-63B §7.1: 256 random bits, and who tries is noticed."""
    browser.http.cookies.set(SESSION, "guess", domain="app.example.com", path="/")
    await scene.begin()
    response = await browser.get("/account/security")
    await scene.refused(response, status=303, reason="never was", audited=False)


async def test_a_password_that_was_just_changed_opens_nothing(
    browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """OWASP ASVS 3.3.3: not even to who showed it before, while it was still being checked."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    async with database.transaction(user_id=user.id) as session:
        await session.execute(update(User).values(password_hash="changed"))
        attacker = asyncio.create_task(browser.sign_in(user.email, PASSWORD))
        await asyncio.sleep(1)
        assert not attacker.done()
    await scene.begin()
    response = await attacker
    await scene.refused(response, status=400, reason="password_changed", audited=True)
    assert SESSION not in browser.http.cookies


async def _second_step(browser: Browser, email: str) -> Page:
    return Page((await browser.sign_in(email, PASSWORD)).text)


async def _person_with_totp(app: FastAPI, database: Database, tenant: Tenant) -> tuple[str, str]:
    secret = new_totp_secret()
    sealed = seal_totp_secret(app.state.oauth.secret_box, secret)
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH, totp_secret_sealed=sealed)
    return user.email, secret


@pytest.mark.parametrize("code", ["", "000000", "0" * 5000, "\u0660" * 6])
async def test_a_password_alone_is_not_enough(
    code: str, app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """NIST SP 800-63B §4.2: no session exists before the second factor."""
    email, _ = await _person_with_totp(app, database, tenant)
    form = (await _second_step(browser, email)).form("/sign-in/code")
    await scene.begin()
    response = await browser.submit(form, code=code)
    await scene.refused(response, status=400, reason="wrong_code", audited=True)
    assert SESSION not in browser.http.cookies
    to_sign_in = await browser.get("/account/security")
    assert to_sign_in.headers["location"].startswith("/sign-in?")


async def test_a_one_time_code_works_once(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 6238 §5.2: seen over a shoulder, it is worth nothing afterwards."""
    email, secret = await _person_with_totp(app, database, tenant)
    code = pyotp.TOTP(secret).now()
    first = (await _second_step(browser, email)).form("/sign-in/code")
    assert (await browser.submit(first, code=code)).status_code == 303
    async with Browser(app, browser.origin, address="2001:db8:ffff::1") as attacker:
        form = (await _second_step(attacker, email)).form("/sign-in/code")
        await scene.begin()
        response = await attacker.submit(form, code=code)
    await scene.refused(response, status=400, reason="wrong_code")


async def test_guessing_one_time_codes_is_slowed_down(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 4226 §7.3: throttling makes six digits long enough."""
    email, secret = await _person_with_totp(app, database, tenant)
    now = utc_now()
    near = {pyotp.TOTP(secret).at(now + timedelta(seconds=30 * n)) for n in range(-3, 8)}
    wrong = [code for code in (f"{n:06}" for n in range(40)) if code not in near]
    form = (await _second_step(browser, email)).form("/sign-in/code")
    await scene.begin()
    responses = [await browser.submit(form, code=code) for code in wrong[:9]]
    assert [response.status_code for response in responses] == [400] * 6 + [429] * 3
    for response in responses[:6]:
        await scene.logged(response, reason="wrong_code", audited=True)
    for response in responses[6:]:
        await scene.refused(response, status=429, reason="too_many_requests")


async def test_the_second_step_does_not_move_to_another_browser(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7.1: who took the form from a page cannot finish it elsewhere."""
    email, secret = await _person_with_totp(app, database, tenant)
    stolen = (await _second_step(browser, email)).form("/sign-in/code")
    await scene.begin()
    async with Browser(app, browser.origin, address="2001:db8:fffe::1") as attacker:
        await attacker.get("/sign-in")
        response = await attacker.submit(stolen, code=pyotp.TOTP(secret).now())
    await scene.refused(response, status=403, reason="forged_form")


async def test_a_step_up_code_is_not_guessed_either(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 4226 §7.3: whoever took over a signed-in browser still has to guess."""
    email, secret = await _person_with_totp(app, database, tenant)
    now = utc_now()
    form = (await _second_step(browser, email)).form("/sign-in/code")
    await browser.submit(form, code=pyotp.TOTP(secret).at(now))
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(WebSession).values(second_factor_at=now - timedelta(hours=1)))
    page = Page((await browser.get("/account/security")).text)
    remove = replace(page.form("/account/sign-out-everywhere"), action="/account/totp/remove")
    near = {pyotp.TOTP(secret).at(now + timedelta(seconds=30 * n)) for n in range(-3, 8)}
    wrong = [code for code in (f"{n:06}" for n in range(40)) if code not in near]
    await scene.begin()
    responses = [await browser.submit(remove, code=code) for code in wrong[:9]]
    assert [response.status_code for response in responses] == [400] * 6 + [429] * 3
    for response in responses[:6]:
        await scene.logged(response, reason="second_factor_refused", audited=True)
    for response in responses[6:]:
        await scene.refused(response, status=429, reason="too_many_requests", audited=True)


async def test_the_present_password_is_not_guessed_in_a_stolen_session(
    browser: Browser, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """OWASP ASVS 2.2.1: whoever found a signed-in browser does not find the password out there."""
    await sign_in_as()
    page = Page((await browser.get("/account/security")).text).form("/account/password")
    fields = {"current_password": "guess", "password": "blue lamp tower seven"}
    await scene.begin()
    responses = [await browser.submit(page, **fields) for _ in range(9)]
    assert [response.status_code for response in responses] == [400] * 6 + [429] * 3
    for response in responses[:6]:
        await scene.refused(response, status=400, reason="wrong_password", audited=True)
    for response in responses[6:]:
        await scene.refused(response, status=429, reason="too_many_requests", audited=True)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/members/invite", {"email": "eve@example.com", "role": "owner"}),
        ("/account/members/role", {"role": "owner"}),
        ("/account/members/remove", {}),
        ("/account/connector", {"claude_may_read": "yes"}),
        ("/account/apps/revoke", {"client": "mcp_a", "host": "claude.ai"}),
    ],
)
async def test_nobody_takes_rights_they_were_not_given(
    path: str,
    fields: dict[str, str],
    browser: Browser,
    sign_in_as: MakeSignedIn,
    scene: Scene,
    database: Database,
    tenant: Tenant,
) -> None:
    """OWASP ASVS 4.1.2: a form that is not on a member's page, sent nevertheless."""
    colleague = await make_user(database, tenant)
    await sign_in_as()
    page = Page((await browser.get("/account/security")).text)
    form = replace(page.form("/account/sign-out-everywhere"), action=path)
    who = {"member": str(colleague.id), "user": str(colleague.id)}
    await scene.begin()
    response = await browser.submit(form, **who, **fields)
    await scene.refused(response, status=403, reason="forbidden", audited=True)
