"""Authorization requests that are refused; each names the section that asks for it."""

import httpx2
import pytest

from hub.database import Database
from hub.principal import Role
from hub.tenancy.models import Tenant
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import AUTHORIZE, CALLBACK, Client, answer_of, consent_form, register
from tests.oauth.trail import events_of

PLAIN = "a" * 43
SHOWN = [("signed_in", "success"), ("oauth_consent_shown", "success")]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),  # OAuth 2.1 §4.1.1
        ({"code_challenge_method": None}, "invalid_request"),  # RFC 7636 §4.3: would be plain
        ({"code_challenge_method": "plain", "code_challenge": PLAIN}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),  # RFC 7636 §4.2
        ({"response_type": "token"}, "unsupported_response_type"),  # RFC 9700 §2.1.2
        ({"response_type": 'co"de\\'}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),  # RFC 6749 §4.1.2.1
        ({"scope": "mcp.read admin"}, "invalid_scope"),  # RFC 6749 §3.3
        ({"resource": "https://api.evil.example/mcp"}, "invalid_target"),  # RFC 8707 §2
        ({"resource": "https://api.example.com/mcp?x=1"}, "invalid_target"),
        ({"resource": "https://api.example.com/other"}, "invalid_target"),
        ({"resource": "http://api.example.com/mcp"}, "invalid_target"),
        ({"resource": "https://[bad"}, "invalid_target"),
    ],
)
async def test_goes_back_to_the_client_before_any_page_is_shown(
    changes: dict[str, str | None], error: str, browser: Browser, client: Client
) -> None:
    """Errors carry state (RFC 6749 §4.1.2.1) and issuer (RFC 9207 §2)."""
    response = await browser.get(client.authorize_url(**changes))
    assert response.headers["location"].startswith(f"{CALLBACK}?error=")
    answer = answer_of(response)
    assert answer["error"] == error
    assert answer["state"] == "xyz"
    assert answer["iss"] == "https://api.example.com"


@pytest.mark.parametrize(
    "resource",
    [
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com/mcp",
        "https://api.example.com/mcp/",
        "HTTPS://API.EXAMPLE.COM/mcp",
        None,
    ],
)
async def test_takes_every_spelling_of_our_own_resource(
    resource: str | None, browser: Browser, client: Client
) -> None:
    """RFC 8707 §2, and RFC 3986 §6.2.2.1 for case."""
    response = await browser.get(client.authorize_url(resource=resource))
    assert response.headers["location"].startswith("https://app.example.com/sign-in?")


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/api/mcp/auth_callback",
        "https://claude.ai.evil.example/api/mcp/auth_callback",
        "https://claude.ai@evil.example/api/mcp/auth_callback",
        "https://claude.ai/api/mcp/auth_callback/",
        "https://claude.ai/api/mcp/auth_callback/../x",
        "https://claude.ai/api/mcp/auth_callback?x=1",
        "https://claude.ai/api/mcp/auth_callback#x",
        "https://claude.ai:8443/api/mcp/auth_callback",
        "https://CLAUDE.ai/api/mcp/auth_callback",
        "http://claude.ai/api/mcp/auth_callback",
        "javascript:alert(1)",
        'https://claude.ai/"\\',
        "https://cläude.ai/",
    ],
)
async def test_a_foreign_redirect_is_shown_to_the_person_and_not_followed(
    redirect_uri: str, browser: Browser, client: Client
) -> None:
    """RFC 6749 §4.1.2.1 and RFC 9700 §2.1: exact match, and never an open redirector."""
    response = await browser.get(client.authorize_url(redirect_uri=redirect_uri))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "did not register" in Page(response.text).text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:1/other",
        "http://localhost.evil.example:1/callback",
        "http://localhost:1@evil.example/callback",
        "https://localhost:1/callback",
        "http://127.0.0.1:1/callback",
    ],
)
async def test_only_the_port_of_a_loopback_redirect_may_differ(
    redirect_uri: str, browser: Browser, api: httpx2.AsyncClient
) -> None:
    """RFC 8252 §7.3."""
    client = await register(api, redirect_uris=["http://localhost:3118/callback"])
    response = await browser.get(client.authorize_url(redirect_uri=redirect_uri))
    assert response.status_code == 400


@pytest.mark.parametrize("client_id", [None, "mcp_" + "0" * 32, "mcp_\x00", "http://a.example/c"])
async def test_an_unknown_client_is_an_error_page(
    client_id: str | None, browser: Browser, client: Client
) -> None:
    """RFC 6749 §4.1.2.1."""
    response = await browser.get(client.authorize_url(client_id=client_id))
    assert response.status_code == 400
    assert "not registered here" in Page(response.text).text


async def test_a_parameter_named_twice_is_an_error_page(browser: Browser, client: Client) -> None:
    """RFC 6749 §3.1; with two redirects in doubt, neither is followed."""
    response = await browser.get(client.authorize_url() + "&redirect_uri=https%3A%2F%2Fa.example")
    assert response.status_code == 400
    assert "location" not in response.headers


async def test_without_a_redirect_the_only_registered_one_is_used(
    browser: Browser, client: Client
) -> None:
    """RFC 6749 §3.1.2.3."""
    response = await browser.get(client.authorize_url(redirect_uri=None, scope="nonsense"))
    assert response.headers["location"].startswith(f"{CALLBACK}?error=invalid_scope")


async def test_consent_from_another_site_changes_nothing(
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 9700 §4.7 (CSRF) and RFC 6749 §10.12."""
    await sign_in_as()
    form = await consent_form(browser, client)
    response = await browser.http.post(
        AUTHORIZE,
        data=form.fields | {"decision": "allow"},
        headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert response.status_code == 403
    assert await events_of(database, tenant) == [*SHOWN, ("form_refused", "refused")]


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_consent_without_its_token_changes_nothing(
    decision: str,
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §10.12."""
    await sign_in_as()
    form = await consent_form(browser, client)
    response = await browser.submit(form, decision=decision, csrf_token="forged")
    assert response.status_code == 403
    assert await events_of(database, tenant) == [*SHOWN, ("oauth_request_refused", "refused")]


async def test_a_consent_form_is_good_for_its_own_request_only(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 6749 §10.12: the token of a form that showed reading does not allow acknowledging."""
    await sign_in_as()
    form = await consent_form(browser, client, scope="mcp.read")
    response = await browser.submit(form, decision="allow", scope="mcp.read mcp.acknowledge")
    assert response.status_code == 403


async def test_consent_after_sign_out_asks_to_sign_in_again(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    await sign_in_as()
    form = await consent_form(browser, client)
    browser.http.cookies.clear()
    response = await browser.submit(form, decision="allow")
    assert response.headers["location"].startswith("https://app.example.com/sign-in?next=")


async def test_a_refused_request_is_written_down_for_the_person_signed_in(
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    await sign_in_as(Role.OWNER)
    await browser.get(client.authorize_url(code_challenge=None))
    assert (await events_of(database, tenant))[-1] == ("oauth_request_refused", "refused")
