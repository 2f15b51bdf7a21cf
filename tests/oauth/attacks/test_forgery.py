"""Attacks through a person's own browser: forged forms, frames, planted sessions."""

import httpx2
import pytest

from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN, MakeSignedIn
from tests.oauth.flow import AUTHORIZE, PASSWORD, Client, consent_form


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.app.example.com", "Sec-Fetch-Site": "same-site"},
    ],
    ids=["cross-site", "old browser", "sandboxed frame", "sister host"],
)
async def test_consent_cannot_be_posted_from_another_site(
    headers: dict[str, str],
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §4.7 and RFC 6749 §10.12: not even with the form's own token."""
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    data = form.fields | {"decision": "allow"}
    response = await browser.http.post(AUTHORIZE, data=data, headers=headers)
    await scene.refused(response, status=403, reason="another site")


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_consent_needs_the_token_of_its_form(
    decision: str, browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §10.12."""
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    response = await browser.submit(form, decision=decision, csrf_token="forged")
    await scene.refused(response, status=403, reason="open for too long")


async def test_the_token_of_a_smaller_request_does_not_allow_a_larger_one(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §10.12: what was shown is what is allowed."""
    await sign_in_as()
    form = await consent_form(browser, client, scope="mcp.read")
    await scene.begin()
    response = await browser.submit(form, decision="allow", scope="mcp.read mcp.acknowledge")
    await scene.refused(response, status=403, reason="open for too long")


async def test_the_token_of_another_persons_form_is_refused(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.7: the attacker has an account too, and fetches a form of their own."""
    await sign_in_as()
    stolen = (await consent_form(browser, client)).fields["csrf_token"]
    browser.http.cookies.clear()
    await sign_in_as()
    form = await consent_form(browser, client)
    await scene.begin()
    response = await browser.submit(form, decision="allow", csrf_token=stolen)
    await scene.refused(response, status=403, reason="open for too long")


async def test_consent_is_always_asked_again(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 8252 §8.6, RFC 9700 §4.1: an earlier consent is not repeated without a person.

    Any program may pretend to be a public client; skipping the page would hand it a code unseen.
    """
    await sign_in_as()
    for _ in range(2):
        form = await consent_form(browser, client)
        response = await browser.submit(form, decision="allow")
        assert "code=" in response.headers["location"]
    response = await browser.get(client.authorize_url(prompt="none"))
    assert response.status_code == 200
    assert "Allow" in Page(response.text).text


async def test_no_page_can_be_framed(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 9700 §4.16 (clickjacking)."""
    sign_in_page = await browser.get("/sign-in")
    await sign_in_as()
    consent_page = await browser.get(client.authorize_url())
    error_page = await browser.get(client.authorize_url(client_id="mcp_unknown"))
    for response in (sign_in_page, consent_page, error_page):
        assert response.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_no_page_sends_its_address_on(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 9700 §4.2 (credential leakage via referrer) and §4.3 (browser history, caches)."""
    await sign_in_as()
    response = await browser.get(client.authorize_url())
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"
    assert "https://" not in Page(response.text).text.replace(APP_ORIGIN, "")


async def test_the_redirect_after_consent_does_not_carry_the_form_along(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 9700 §4.12: 307 would post cookies' neighbours and form fields to the client."""
    await sign_in_as()
    form = await consent_form(browser, client)
    response = await browser.submit(form, decision="allow")
    assert response.status_code == 303


async def test_sign_in_replaces_a_session_that_was_planted(
    browser: Browser, sign_in_as: MakeSignedIn
) -> None:
    """RFC 9700 §4.7.1 (login CSRF), session fixation: the token changes at sign-in."""
    email = await sign_in_as()
    name, planted = next(
        (name, value) for name, value in browser.http.cookies.items() if "session" in name
    )
    await browser.http.post("/sign-out", data={"a": "b"}, headers={"Origin": APP_ORIGIN})
    browser.http.cookies.set(name, planted, domain="app.example.com")
    await browser.sign_in(email, PASSWORD)
    values = [value for key, value in browser.http.cookies.items() if key == name]
    assert any(value != planted for value in values)
    async with httpx2.AsyncClient(
        transport=browser.http._transport, base_url=APP_ORIGIN
    ) as attacker:
        attacker.cookies.set(name, planted)
        response = await attacker.get("/sign-in")
    assert response.status_code == 200  # the form: nobody is signed in with the planted one
