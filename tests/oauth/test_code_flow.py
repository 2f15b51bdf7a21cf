"""The whole flow as a client and a person live it: sign-in, consent, code, token, bearer check."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from hub.database import Database
from hub.principal import Permission, PrincipalKind, Role, Scope
from hub.tenancy.commands import add_member
from hub.tenancy.models import Tenant
from hub.tenancy.queries import account_by_email
from oauth.bearer import BearerAuthenticator
from tests.factories import make_tenant
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import (
    AUTHORIZE,
    CALLBACK,
    TOKEN,
    Client,
    answer_of,
    authorize,
    consent_form,
    register,
)
from tests.oauth.trail import events_of


async def test_leads_from_sign_in_to_a_token_that_knows_its_person(
    api: httpx2.AsyncClient,
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    tenant: Tenant,
    database: Database,
) -> None:
    email = await sign_in_as(Role.OPERATOR)
    code = await authorize(browser, client)
    response = await api.post(TOKEN, data=client.token_form(code))

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    token = body.pop("access_token")
    assert list(response.json()) == ["access_token", "token_type", "expires_in", "scope"]
    assert body == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "mcp.read mcp.acknowledge",
    }
    principal = await authenticator.authenticate(token)
    assert principal.kind is PrincipalKind.CONNECTOR
    assert principal.label == email
    assert principal.tenant_id == tenant.id
    assert principal.client_id == client.client_id
    assert principal.scopes == frozenset(Scope)
    assert principal.may(Permission.DETECTIONS_ACKNOWLEDGE)
    assert not principal.may(Permission.DETECTIONS_REOPEN)
    assert await events_of(database, tenant) == [
        ("signed_in", "success"),
        ("oauth_consent_shown", "success"),
        ("oauth_grant_created", "success"),
        ("oauth_token_issued", "success"),
    ]


async def test_sends_a_stranger_to_sign_in_and_back(browser: Browser, client: Client) -> None:
    response = await browser.get(client.authorize_url())
    assert response.status_code == 303
    assert response.headers["location"].startswith("https://app.example.com/sign-in?next=%2Fmcp")
    page = Page((await browser.get(response.headers["location"])).text)
    assert page.form("/sign-in").fields["next"].startswith(f"{AUTHORIZE}?response_type=code")


async def test_a_posted_authorization_request_is_answered_like_a_get(
    browser: Browser, client: Client
) -> None:
    """RFC 6749 §3.1: the endpoint may support POST."""
    url = client.authorize_url()
    query = httpx2.URL(url).params
    response = await browser.http.post(AUTHORIZE, data=dict(query))
    assert response.status_code == 303
    assert response.headers["location"] == url


async def test_returns_state_and_issuer_with_the_code(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 6749 §4.1.2 and RFC 9207 §2; 303, so that the form is not posted on (RFC 9700 §4.12)."""
    await sign_in_as()
    form = await consent_form(browser, client)
    response = await browser.submit(form, decision="allow")
    assert response.headers["location"].startswith(f"{CALLBACK}?code=")
    answer = answer_of(response)
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["state"] == "xyz"
    assert answer["iss"] == "https://api.example.com"


async def test_a_denial_goes_back_to_the_client(
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §4.1.2.1."""
    await sign_in_as()
    form = await consent_form(browser, client)
    answer = answer_of(await browser.submit(form, decision="deny"))
    assert (answer["error"], answer["state"]) == ("access_denied", "xyz")
    assert answer["iss"] == "https://api.example.com"
    assert (await events_of(database, tenant))[-1] == ("oauth_consent_denied", "refused")


async def test_a_missing_scope_means_reading(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 6749 §3.3."""
    await sign_in_as()
    code = await authorize(browser, client, scope=None)
    response = await api.post(TOKEN, data=client.token_form(code))
    assert response.json()["scope"] == "mcp.read"


async def test_offline_access_is_dropped_without_a_word(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> None:
    await sign_in_as()
    code = await authorize(browser, client, scope="mcp.read offline_access")
    response = await api.post(TOKEN, data=client.token_form(code))
    assert response.json()["scope"] == "mcp.read"
    assert "refresh_token" not in response.json()


async def test_a_viewer_gets_reading_only(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> None:
    await sign_in_as(Role.VIEWER)
    code = await authorize(browser, client)
    response = await api.post(TOKEN, data=client.token_form(code))
    assert response.json()["scope"] == "mcp.read"


async def test_a_viewer_asked_for_acknowledging_alone_is_refused_at_once(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn
) -> None:
    await sign_in_as(Role.VIEWER)
    response = await browser.get(client.authorize_url(scope="mcp.acknowledge"))
    assert answer_of(response)["error"] == "access_denied"


async def test_an_owner_switches_the_connector_on_while_connecting(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    database: Database,
) -> None:
    off = await make_tenant(database, claude_may_read=False, claude_may_acknowledge=False)
    await sign_in_as(Role.OWNER, of=off)
    form = await consent_form(browser, client)
    assert form.boxes == {"enable_read", "enable_acknowledge"}
    answer = answer_of(await browser.submit(form, decision="allow", enable_read="yes"))
    response = await api.post(TOKEN, data=client.token_form(answer["code"]))
    # The second box stayed empty, so that scope is left out.
    assert response.json()["scope"] == "mcp.read"
    principal = await authenticator.authenticate(response.json()["access_token"])
    assert principal.tenant_id == off.id
    assert ("connector_settings_changed", "success") in await events_of(database, off)


async def test_nothing_is_allowed_while_the_box_stays_empty(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, database: Database
) -> None:
    off = await make_tenant(database, claude_may_read=False)
    await sign_in_as(Role.ADMIN, of=off)
    form = await consent_form(browser, client)
    response = await browser.submit(form, decision="allow")
    assert response.status_code == 400
    assert "switch the connector on" in Page(response.text).text
    assert await events_of(database, off) == [
        ("signed_in", "success"),
        ("oauth_consent_shown", "success"),
        ("oauth_request_refused", "refused"),
    ]


async def test_others_are_told_whom_to_ask_and_can_only_deny(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, database: Database
) -> None:
    off = await make_tenant(database, claude_may_read=False)
    owner = await sign_in_as(Role.OWNER, of=off)
    await browser.http.post("/sign-out", headers={"Origin": browser.origin}, data={"a": "b"})
    await sign_in_as(Role.OPERATOR, of=off)
    page = Page((await browser.get(client.authorize_url())).text)
    form = page.form(AUTHORIZE, field="csrf_token")
    assert owner in page.text
    assert form.decisions == {"deny"}
    assert form.boxes == set()
    # Pressing a button that is not there does not help.
    response = await browser.submit(form, decision="allow", enable_read="yes")
    assert response.status_code == 400


async def test_strict_residency_is_not_opened_on_the_consent_page(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, database: Database
) -> None:
    strict = await make_tenant(database, claude_may_read=False, strict_residency=True)
    await sign_in_as(Role.OWNER, of=strict)
    form = await consent_form(browser, client)
    assert form.decisions == {"deny"}


async def test_a_person_of_two_tenants_chooses_one(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    database: Database,
    other_tenant: Tenant,
) -> None:
    email = await sign_in_as(Role.OPERATOR)
    async with database.transaction(presented=email) as session:
        account = await account_by_email(session, email=email)
    assert account is not None
    async with database.transaction() as session:
        await add_member(
            session,
            tenant_id=other_tenant.id,
            user_id=account.user_id,
            email=email,
            role=Role.VIEWER,
        )
    chooser = Page((await browser.get(client.authorize_url())).text).forms[1]
    page = Page((await browser.submit(chooser, tenant=other_tenant.slug, decision="choose")).text)
    form = page.form(AUTHORIZE, field="csrf_token")
    assert form.fields["tenant"] == other_tenant.slug
    answer = answer_of(await browser.submit(form, decision="allow"))
    response = await api.post(TOKEN, data=client.token_form(answer["code"]))
    principal = await authenticator.authenticate(response.json()["access_token"])
    assert (principal.tenant_id, principal.role) == (other_tenant.id, Role.VIEWER)
    assert response.json()["scope"] == "mcp.read"


async def test_the_consent_page_says_who_asks_for_what(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn
) -> None:
    """MCP authorization, "Localhost Redirect URI Risks": show the host, warn of loopback."""
    email = await sign_in_as()
    client = await register(
        api,
        client_name='<script>alert("x")</script>',
        redirect_uris=["http://127.0.0.1/callback"],
    )
    response = await browser.get(
        client.authorize_url(redirect_uri="http://127.0.0.1:5123/callback")
    )
    assert "<script>" not in response.text
    page = Page(response.text)
    assert '<script>alert("x")</script>' in page.text
    assert "127.0.0.1" in page.text
    assert "runs on your own computer" in page.text
    assert email in page.text
    assert response.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert "form-action" not in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


async def test_works_for_a_client_with_a_secret(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn
) -> None:
    """RFC 6749 §2.3.1: the secret in the body or in the header."""
    await sign_in_as()
    client = await register(api, token_endpoint_auth_method="client_secret_post")
    assert client.client_secret is not None
    form = client.token_form(await authorize(browser, client), client_secret=client.client_secret)
    assert (await api.post(TOKEN, data=form)).status_code == 200
    form = client.token_form(await authorize(browser, client), client_id=None)
    response = await api.post(TOKEN, data=form, auth=(client.client_id, client.client_secret))
    assert response.status_code == 200


async def test_the_root_alias_exchanges_codes_too(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> None:
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    assert (await api.post("/token", data=form)).status_code == 200


@pytest.mark.parametrize(
    ("redirect_uri", "joint"),
    [
        ("https://a.example/callback?flag", "&"),
        ("https://a.example/callback?a=b+c&d=e%20f&g=h:/~@", "&"),
        ("https://a.example/callback?", ""),
        ("https://a.example", "?"),
        ("com.example.app:///callback", "?"),
    ],
)
async def test_the_answer_is_added_to_the_redirect_as_it_stands(
    redirect_uri: str,
    joint: str,
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
) -> None:
    """RFC 6749 §3.1.2: the redirect's own query is retained."""
    await sign_in_as()
    client = await register(api, redirect_uris=[redirect_uri])
    form = await consent_form(browser, client)
    location = (await browser.submit(form, decision="allow")).headers["location"]
    assert location.startswith(f"{redirect_uri}{joint}code=")
    code = parse_qs(urlsplit(location).query)["code"][0]
    assert (await api.post(TOKEN, data=client.token_form(code))).status_code == 200
    form = await consent_form(browser, client)
    location = (await browser.submit(form, decision="deny")).headers["location"]
    assert location.startswith(f"{redirect_uri}{joint}error=access_denied&")
    assert location.endswith("&state=xyz&iss=https%3A%2F%2Fapi.example.com")


async def test_a_redirect_that_was_left_out_may_be_left_out_again(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> None:
    """RFC 6749 §4.1.3: the token request repeats it if the authorization request had it."""
    await sign_in_as()
    foreign = "https://evil.example/callback"
    for redirect_uri, status in [(None, 200), (client.redirect_uri, 200), (foreign, 400)]:
        code = await authorize(browser, client, redirect_uri=None)
        form = client.token_form(code, redirect_uri=redirect_uri)
        assert (await api.post(TOKEN, data=form)).status_code == status


async def test_loopback_redirects_may_come_on_any_port(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn
) -> None:
    """RFC 8252 §7.3; the token request repeats the port that was used (RFC 6749 §4.1.3)."""
    await sign_in_as()
    client = await register(api, redirect_uris=["http://localhost/callback"])
    used = "http://localhost:61234/callback"
    code = await authorize(browser, client, redirect_uri=used)
    form = client.token_form(code, redirect_uri=used)
    assert (await api.post(TOKEN, data=form)).status_code == 200
