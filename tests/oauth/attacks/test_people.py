"""Attacks on people's accounts: forged forms, enumeration, guessed passwords and codes."""

import statistics
import time
from datetime import timedelta

import httpx2
import pyotp
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant
from hub.tenancy.totp import new_totp_secret, seal_totp_secret
from tests.factories import make_user
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import PASSWORD, PASSWORD_HASH

STRANGER = "nobody@example.com"
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


async def test_nobody_is_signed_in_from_another_site(
    browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7.1 (login CSRF): a person would act in the attacker's account."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    form = Page((await browser.get("/sign-in")).text).form("/sign-in")
    data = form.fields | {"email": user.email, "password": PASSWORD}
    await scene.begin()
    with capture_logs() as logs:
        response = await browser.http.post("/sign-in", data=data, headers=FOREIGN)
    assert response.status_code == 403
    assert await scene.is_unchanged()
    assert "foreign_form_refused" in [log["event"] for log in logs]


async def test_sign_in_needs_the_form_of_this_browser(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7.1: the attacker's own form does not work in another browser."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    async with Browser(app, browser.origin) as attacker:
        stolen = Page((await attacker.get("/sign-in")).text).form("/sign-in")
    await browser.get("/sign-in")
    await scene.begin()
    with capture_logs() as logs:
        response = await browser.submit(stolen, email=user.email, password=PASSWORD)
    assert response.status_code == 403
    assert await scene.is_unchanged()
    assert "forged_form_refused" in [log["event"] for log in logs]


@pytest.mark.parametrize(
    "path", ["/account/connector", "/account/apps", "/account/members", "/account/totp"]
)
async def test_settings_cannot_be_changed_from_another_site(
    path: str, browser: Browser, app: FastAPI, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.7: switches, connected apps and members."""
    posts = [p for p in app.openapi()["paths"] if p.startswith(path)]
    posts = [p for p in posts if "post" in app.openapi()["paths"][p]]
    assert posts, f"no form below {path}"
    await sign_in_as()
    await scene.begin()
    for target in posts:
        with capture_logs() as logs:
            response = await browser.http.post(target, data={"a": "b"}, headers=FOREIGN)
        assert response.status_code == 403, target
        assert "foreign_form_refused" in [log["event"] for log in logs]
    assert await scene.is_unchanged()


async def test_the_answer_does_not_tell_who_has_an_account(
    browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4 and OWASP ASVS 2.2: same status, same page, same headers."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    disabled = await make_user(database, tenant, password_hash=PASSWORD_HASH, disabled_at=utc_now())
    await scene.begin()
    answers = []
    for email, password in (
        (user.email, "wrong"),
        (STRANGER, "wrong"),
        (disabled.email, PASSWORD),
        ("not an address", "wrong"),
    ):
        with capture_logs() as logs:
            response = await browser.sign_in(email, password)
        assert "sign_in_failed" in [log["event"] for log in logs]
        text = response.text.replace(email, "EMAIL")
        text = text.replace(Page(response.text).form("/sign-in").fields["csrf_token"], "PROOF")
        answers.append((response.status_code, text, sorted(response.headers)))
    assert await scene.is_unchanged()
    assert answers[0][0] == 400
    assert all(answer == answers[0] for answer in answers)


async def test_the_time_does_not_tell_who_has_an_account(
    browser: Browser, database: Database, tenant: Tenant
) -> None:
    """RFC 9700 §4: the same work is done for strangers, whose password nobody has."""

    async def seconds(email: str) -> float:
        form = Page((await browser.get("/sign-in")).text).form("/sign-in")
        start = time.perf_counter()
        await browser.submit(form, email=email, password="wrong")
        return time.perf_counter() - start

    # The fastest of each: what else the machine does only ever makes an answer slower.
    known, unknown = [], []
    for _ in range(8):
        user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
        known.append(await seconds(user.email))
        unknown.append(await seconds(f"{user.id.hex}@nobody.example"))
    ratio = min(known) / min(unknown)
    assert 0.5 < ratio < 2.0, (statistics.median(known), statistics.median(unknown))


async def test_guessing_a_password_is_slowed_down(
    browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 6749 §10.10, OWASP ASVS 2.2.1."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    await scene.begin()
    statuses = []
    for _ in range(9):
        response = await browser.sign_in(user.email, "wrong")
        statuses.append(response.status_code)
        if response.status_code == 400:
            await scene.logged(response, reason="wrong_password")
    assert 429 in statuses
    assert statuses.count(400) <= 6
    assert await scene.is_unchanged()


async def _second_step(browser: Browser, email: str) -> Page:
    return Page((await browser.sign_in(email, PASSWORD)).text)


async def _person_with_totp(app: FastAPI, database: Database, tenant: Tenant) -> tuple[str, str]:
    secret = new_totp_secret()
    sealed = seal_totp_secret(app.state.oauth.secret_box, secret)
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH, totp_secret_sealed=sealed)
    return user.email, secret


async def test_a_password_alone_is_not_enough(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """NIST SP 800-63B §4.2: no session exists before the second factor."""
    email, _ = await _person_with_totp(app, database, tenant)
    await scene.begin()
    page = await _second_step(browser, email)
    assert page.form("/sign-in/code")
    response = await browser.get("/account/security")
    assert response.status_code == 303
    assert "/sign-in" in response.headers["location"]
    assert await scene.is_unchanged()


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
    statuses = []
    for code in wrong[:9]:
        response = await browser.submit(form, code=code)
        statuses.append(response.status_code)
        if response.status_code == 400:
            await scene.logged(response, reason="wrong_code")
    assert 429 in statuses
    assert statuses.count(400) <= 6
    assert await scene.is_unchanged()


async def test_the_second_step_does_not_move_to_another_browser(
    app: FastAPI, browser: Browser, database: Database, tenant: Tenant, scene: Scene
) -> None:
    """RFC 9700 §4.7.1: who took the form from a page cannot finish it elsewhere."""
    email, secret = await _person_with_totp(app, database, tenant)
    stolen = (await _second_step(browser, email)).form("/sign-in/code")
    await scene.begin()
    async with Browser(app, browser.origin, address="2001:db8:fffe::1") as attacker:
        await attacker.get("/sign-in")
        with capture_logs() as logs:
            response = await attacker.submit(stolen, code=pyotp.TOTP(secret).now())
    assert response.status_code == 403
    assert await scene.is_unchanged()
    assert "forged_form_refused" in [log["event"] for log in logs]


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "evil"],
)
async def test_sign_in_is_no_open_redirect(
    target: str, browser: Browser, database: Database, tenant: Tenant
) -> None:
    """RFC 9700 §4.11: `next` leads to a path of ours, or to the start page."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    response = await browser.sign_in(user.email, PASSWORD, next_=target)
    assert response.status_code == 303
    assert httpx2.URL(response.headers["location"]).host in {"", "app.example.com"}
    assert "evil" not in response.headers["location"]
