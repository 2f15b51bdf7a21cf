"""One-time codes: enrolled, asked for, taken once, and replaced by recovery codes."""

import asyncio
import re
from dataclasses import replace

import httpx2
import pyotp
import pytest
from sqlalchemy import text

from hub.clock import utc_now
from hub.database import Database
from hub.principal import Role
from hub.secret_box import SecretBox
from hub.tenancy.models import Tenant
from hub.tenancy.second_factor import Factor, show_second_factor
from tests.oauth.account.conftest import STEP_SECONDS, MakeSomeone, Someone
from tests.oauth.browser import Browser, Page
from tests.oauth.flow import PASSWORD
from tests.oauth.trail import events_of

SESSION = "__Host-monsys_session"


def secret_on(page: httpx2.Response) -> str:
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page.text)
    assert found is not None
    return found[1].replace(" ", "")


def codes_on(page: httpx2.Response) -> list[str]:
    return re.findall(r"<li><code>([a-z2-7-]+)</code>", page.text)


async def enrol(person: Someone) -> list[str]:
    """Set two-factor authentication up and return the recovery codes."""
    page = await person.browser.get("/account/totp")
    assert "<svg" in page.text
    person.secret = secret_on(page)
    form = Page(page.text).form("/account/totp")
    response = await person.browser.submit(form, code=person.code(-1), current_password=PASSWORD)
    assert response.status_code == 200, Page(response.text).text
    return codes_on(response)


async def second_step(browser: Browser, email: str) -> Page:
    """Give the right password and return the page that asks for a code."""
    response = await browser.sign_in(email, PASSWORD, next_="/alerts")
    assert response.status_code == 200
    assert SESSION not in browser.http.cookies
    return Page(response.text)


async def test_is_set_up_with_a_code_and_the_password_and_sealed(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    person = await someone()
    before = person.browser.http.cookies[SESSION]
    codes = await enrol(person)
    assert person.browser.http.cookies[SESSION] != before
    assert len(set(codes)) == 10
    assert "On. Signing in" in (await person.page("/account/security")).text
    assert await events_of(database, tenant) == [
        ("signed_in", "success"),
        ("totp_enrolled", "success"),
    ]
    async with database.transaction(user_id=person.user.id) as session:
        stored = str((await session.execute(text("SELECT * FROM users"))).one())
        digests = str((await session.execute(text("SELECT * FROM recovery_codes"))).all())
    assert person.secret is not None
    assert person.secret not in stored
    assert not any(code.replace("-", "") in digests for code in codes)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"code": "000000"}, "This code is not right"),
        ({"current_password": "wrong"}, "The present password is not right"),
        ({"sealed": "AAAA"}, "Scan the new code"),
    ],
)
async def test_is_not_set_up_by_a_wrong_form(
    fields: dict[str, str], why: str, someone: MakeSomeone
) -> None:
    person = await someone()
    page = await person.browser.get("/account/totp")
    person.secret = secret_on(page)
    right = {"code": person.code(), "current_password": PASSWORD}
    form = Page(page.text).form("/account/totp")
    response = await person.browser.submit(form, **(right | fields))
    assert response.status_code == 400
    assert why in Page(response.text).text
    assert "Set up two-factor" in (await person.page("/account/security")).text


async def test_a_secret_made_for_somebody_else_is_not_taken(someone: MakeSomeone) -> None:
    person, other = await someone(), await someone()
    page = await other.browser.get("/account/totp")
    person.secret = secret_on(page)
    sealed = Page(page.text).form("/account/totp").fields["sealed"]
    response = await person.post(
        "/account/totp", sealed=sealed, code=person.code(), current_password=PASSWORD
    )
    assert response.status_code == 400


async def test_sign_in_asks_for_a_code_and_goes_on(
    someone: MakeSomeone, browser: Browser, database: Database, tenant: Tenant
) -> None:
    person = await someone(totp=True)
    page = await second_step(browser, person.email)
    response = await browser.submit(
        page.form("/sign-in/code"), code=f" {person.code()[:3]} {person.code()[3:]}"
    )
    assert (response.status_code, response.headers["location"]) == (303, "/alerts")
    assert SESSION in browser.http.cookies
    assert (await events_of(database, tenant))[-1] == ("signed_in", "success")


async def test_a_code_is_taken_once(someone: MakeSomeone, browser: Browser) -> None:
    """RFC 6238 §5.2: the verifier must not accept the second attempt of the OTP."""
    person = await someone(totp=True)
    page = await second_step(browser, person.email)
    code = person.code()
    assert (await browser.submit(page.form("/sign-in/code"), code=code)).status_code == 303
    browser.http.cookies.delete(SESSION)
    page = await second_step(browser, person.email)
    response = await browser.submit(page.form("/sign-in/code"), code=code)
    assert response.status_code == 400
    earlier = await browser.submit(page.form("/sign-in/code"), code=person.code(-1))
    assert earlier.status_code == 400
    assert SESSION not in browser.http.cookies


async def test_of_fifty_with_the_same_code_one_gets_in(
    someone: MakeSomeone, database: Database, box: SecretBox
) -> None:
    person = await someone(totp=True)
    code, now = person.code(), utc_now()

    async def show() -> Factor | None:
        async with database.transaction(user_id=person.user.id) as session:
            return await show_second_factor(
                session, box=box, user_id=person.user.id, code=code, at=now
            )

    shown = await asyncio.gather(*(show() for _ in range(50)))
    assert [factor for factor in shown if factor] == [Factor.TOTP]


@pytest.mark.parametrize("code", ["", "000000", "12345", "1234567", "٠١٢٣٤٥", "a" * 5000])
async def test_a_wrong_code_signs_nobody_in(
    code: str, someone: MakeSomeone, browser: Browser, database: Database, tenant: Tenant
) -> None:
    person = await someone(totp=True)
    page = await second_step(browser, person.email)
    response = await browser.submit(page.form("/sign-in/code"), code=code)
    assert response.status_code == 400
    assert SESSION not in browser.http.cookies
    assert (await events_of(database, tenant))[-1] == ("sign_in_failed", "refused")


async def test_guessing_codes_is_slowed_down(someone: MakeSomeone, browser: Browser) -> None:
    person = await someone(totp=True)
    page = await second_step(browser, person.email)
    form = page.form("/sign-in/code")
    statuses = [(await browser.submit(form, code="000000")).status_code for _ in range(8)]
    assert statuses == [400] * 6 + [429] * 2
    late = await browser.submit(form, code=person.code())
    assert (late.status_code, late.headers["retry-after"]) in {(429, "2"), (429, "3")}


async def test_the_second_step_is_bound_to_its_browser_and_to_the_password(
    someone: MakeSomeone, browser: Browser, database: Database
) -> None:
    person, other = await someone(totp=True), await someone()
    page = await second_step(browser, person.email)
    form = page.form("/sign-in/code")
    await other.post("/sign-out")
    theirs = Page((await other.browser.get("/sign-in")).text).form("/sign-in").fields["csrf_token"]
    stolen = replace(form, fields=form.fields | {"csrf_token": theirs})
    assert (await other.browser.submit(stolen, code=person.code())).status_code == 403
    forged = replace(form, fields=form.fields | {"step": "AAAA"})
    assert (await browser.submit(forged, code=person.code())).status_code == 403
    async with database.transaction(user_id=person.user.id) as session:
        await session.execute(text("UPDATE users SET password_hash = '!'"))
    assert (await browser.submit(form, code=person.code())).status_code == 403


async def test_each_recovery_code_signs_in_once(
    someone: MakeSomeone, browser: Browser, database: Database, tenant: Tenant
) -> None:
    person = await someone()
    codes = await enrol(person)
    for code, status in [(codes[0].upper(), 303), (codes[0], 400), (codes[9], 303)]:
        browser.http.cookies.delete(SESSION) if SESSION in browser.http.cookies else None
        page = await second_step(browser, person.email)
        response = await browser.submit(page.form("/sign-in/code"), code=code)
        assert response.status_code == status
    assert [kind for kind, _ in await events_of(database, tenant)].count("recovery_code_used") == 2
    assert "Recovery codes left: 8." in (await person.page("/account/security")).text


async def test_new_recovery_codes_end_the_old_ones(someone: MakeSomeone, browser: Browser) -> None:
    person = await someone()
    old = await enrol(person)
    response = await person.post("/account/recovery-codes")
    new = codes_on(response)
    assert len(new) == 10
    assert set(new).isdisjoint(old)
    page = await second_step(browser, person.email)
    form = page.form("/sign-in/code")
    assert (await browser.submit(form, code=old[0])).status_code == 400
    assert (await browser.submit(form, code=new[0])).status_code == 303


async def test_turning_it_off_needs_a_fresh_code(
    someone: MakeSomeone, browser: Browser, database: Database, tenant: Tenant
) -> None:
    person = await someone(totp=True)
    asked = await person.post("/account/totp/remove")
    assert asked.status_code == 403
    form = Page(asked.text).form("/account/totp/remove")
    assert (await person.browser.submit(form, code="000000")).status_code == 400
    before = person.browser.http.cookies[SESSION]
    assert (await person.browser.submit(form, code=person.code())).status_code == 303
    assert person.browser.http.cookies[SESSION] != before
    assert (await browser.sign_in(person.email, PASSWORD)).status_code == 303
    assert [kind for kind, _ in await events_of(database, tenant)] == [
        "signed_in",
        "second_factor_refused",
        "second_factor_confirmed",
        "totp_removed",
        "signed_in",
    ]


async def test_a_code_counts_as_fresh_for_ten_minutes(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    person, colleague = await someone(totp=True), await someone(Role.VIEWER)
    change = {"member": str(colleague.user.id), "role": "analyst"}
    asked = await person.post("/account/members/role", **change)
    form = Page(asked.text).form("/account/members/role")
    assert form.fields["member"] == change["member"]
    assert (await person.browser.submit(form, code=person.code())).status_code == 303
    again = await person.post("/account/members/role", **(change | {"role": "viewer"}))
    assert again.status_code == 303
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            text("UPDATE web_sessions SET second_factor_at = now() - interval '10 minutes'")
        )
    assert (await person.post("/account/members/role", **change)).status_code == 403


async def test_who_has_no_second_factor_is_led_to_set_one_up(someone: MakeSomeone) -> None:
    person, colleague = await someone(), await someone(Role.VIEWER)
    response = await person.post("/account/members/remove", member=str(colleague.user.id))
    assert response.status_code == 403
    assert 'href="/account/totp"' in response.text
    assert colleague.email in (await person.page("/account/members")).text


def test_codes_of_a_minute_ago_and_of_a_minute_ahead_are_not_taken() -> None:
    secret, now = pyotp.random_base32(), utc_now()
    from hub.tenancy.totp import matching_step  # noqa: PLC0415

    at = int(now.timestamp())
    offsets = [
        matching_step(secret, pyotp.TOTP(secret).at(at + n * STEP_SECONDS), at=now)
        for n in (-2, -1, 0, 1, 2)
    ]
    assert offsets == [None, *(at // STEP_SECONDS + n for n in (-1, 0, 1)), None]
