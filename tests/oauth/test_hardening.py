"""What is safe without a refusal: attacks that find nothing to attack, and are not even noticed.

Those that are refused, and logged, are in `tests/oauth/attacks`.
"""

import httpx2
import pytest
from sqlalchemy import update

from hub.database import Database
from hub.tenancy.models import Tenant
from oauth.models import OAuthClient
from tests.factories import make_user
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN, MakeSignedIn
from tests.oauth.flow import (
    PASSWORD,
    PASSWORD_HASH,
    REGISTER,
    Client,
    consent_form,
    register,
)

# Proxies set these, so a request that has them is no attack; nothing is made from them.
FORGED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "host=evil.example;proto=http",
    "X-Original-URL": "/evil",
}
DOCUMENTS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/mcp",
)


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


async def test_the_name_of_a_client_does_not_rewrite_the_question(
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
    database: Database,
) -> None:
    """Unicode TR36 §2.10: marks that turn the direction of text, and those that nobody sees."""
    await sign_in_as()
    client, name = await register(api), "Claude\u202e\u2066\u200b\u2028?"
    async with database.transaction(presented=client.client_id) as session:
        # As those stand there that registered before names were cleaned.
        await session.execute(update(OAuthClient).values(client_name=name))
    response = await browser.get(client.authorize_url())
    assert "Allow “Claude ?” to read" in Page(response.text).text
    assert not set("\u202e\u2066\u200b\u2028") & set(response.text)


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


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_discovery_does_not_believe_a_proxys_headers(
    path: str, api: httpx2.AsyncClient
) -> None:
    """RFC 8414 §6.2, RFC 9728 §7.3: a poisoned cache would send clients to the attacker."""
    honest = await api.get(path)
    forged = await api.get(path, headers=FORGED)
    assert forged.json() == honest.json()
    assert "evil" not in forged.text


async def test_redirects_do_not_believe_a_proxys_headers(browser: Browser, client: Client) -> None:
    """RFC 9700 §4.11: neither the way to sign-in nor the answer to the client moves."""
    to_sign_in = await browser.http.get(client.authorize_url(), headers=FORGED)
    assert to_sign_in.headers["location"].startswith("https://app.example.com/sign-in?")
    error = await browser.http.get(client.authorize_url(scope="nonsense"), headers=FORGED)
    assert "iss=https%3A%2F%2Fapi.example.com" in error.headers["location"]
    assert "evil" not in to_sign_in.headers["location"] + error.headers["location"]


async def test_the_old_clients_way_to_the_endpoint_does_not_move(api: httpx2.AsyncClient) -> None:
    """RFC 9700 §4.11."""
    response = await api.get("/authorize?client_id=a", headers=FORGED)
    assert response.headers["location"].startswith("https://app.example.com/mcp/oauth/authorize?")


async def test_a_client_cannot_choose_its_id_or_secret(
    api: httpx2.AsyncClient, client: Client
) -> None:
    """RFC 7591 §5: registering again under a known client's id makes another client."""
    body = {
        "client_id": client.client_id,
        "client_secret": "mine",
        "redirect_uris": ["https://evil.example/callback"],
    }
    answer = (await api.post(REGISTER, json=body)).json()
    assert answer["client_id"] != client.client_id
    assert answer["client_secret"] is None


async def test_a_client_that_calls_itself_claude_is_shown_for_what_it_is(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn
) -> None:
    """RFC 7591 §5 (impersonation), MCP "Localhost Redirect URI Risks": the host tells."""
    await sign_in_as()
    client = await register(
        api,
        client_name="Claude by Anthropic",
        client_uri="https://claude.ai",
        redirect_uris=["https://evil.example/callback"],
    )
    text = Page((await browser.get(client.authorize_url())).text).text
    assert "evil.example" in text
    assert "https://claude.ai" not in text


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
