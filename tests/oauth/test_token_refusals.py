"""Token requests that are refused; each names the section that asks for it."""

import asyncio
import base64
from collections import Counter
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Unauthenticated
from hub.tenancy.models import Tenant, User
from oauth.bearer import BearerAuthenticator
from oauth.models import OAuthCode
from oauth.tokens import digest_of
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import TOKEN, Client, authorize, register
from tests.oauth.trail import events_of


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": None}, "invalid_request"),  # RFC 7636 §4.5
        ({"code_verifier": "b" * 64}, "invalid_grant"),  # RFC 7636 §4.6
        ({"code_verifier": "short"}, "invalid_request"),  # RFC 7636 §4.1
        ({"redirect_uri": "https://claude.ai/other"}, "invalid_grant"),  # RFC 6749 §4.1.3
        ({"redirect_uri": None}, "invalid_grant"),
        ({"resource": "https://api.evil.example/mcp"}, "invalid_target"),  # RFC 8707 §2.2
        ({"code": "wrong"}, "invalid_grant"),  # RFC 6749 §5.2
        ({"code": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),  # RFC 6749 §6: none was shown
        ({"grant_type": None}, "invalid_request"),
    ],
)
async def test_a_spoiled_exchange_is_refused_and_leaves_the_code_usable(
    changes: dict[str, str | None],
    error: str,
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
) -> None:
    await sign_in_as()
    code = await authorize(browser, client)
    response = await api.post(TOKEN, data=client.token_form(code, **changes))
    assert response.status_code == 400
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["error"] == error
    assert (await api.post(TOKEN, data=client.token_form(code))).status_code == 200


async def test_a_code_of_another_client_is_refused(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §4.1.3 and RFC 9700 §4.5 (code injection)."""
    await sign_in_as()
    code = await authorize(browser, client)
    thief = await register(api)
    form = client.token_form(code, client_id=thief.client_id)
    response = await api.post(TOKEN, data=form)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert (await events_of(database, tenant))[-1] == ("oauth_request_refused", "refused")


@pytest.mark.parametrize("client_id", [None, "mcp_" + "0" * 32, "mcp_\x00"])
async def test_an_unknown_client_is_told_to_register_again(
    client_id: str | None, api: httpx2.AsyncClient, client: Client
) -> None:
    """RFC 6749 §5.2: invalid_client is a 401, on which clients drop their registration."""
    response = await api.post(TOKEN, data=client.token_form("code", client_id=client_id))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_a_client_with_a_secret_must_show_it(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn
) -> None:
    """RFC 6749 §3.2.1."""
    await sign_in_as()
    client = await register(api, token_endpoint_auth_method="client_secret_basic")
    code = await authorize(browser, client)
    for form in (client.token_form(code), client.token_form(code, client_secret="wrong")):
        response = await api.post(TOKEN, data=form)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("credentials", ["\xe9\xe9", "%%%", base64.b64encode(b"\xff\xfe").decode()])
async def test_unreadable_credentials_are_wrong_credentials(
    credentials: str, api: httpx2.AsyncClient, client: Client
) -> None:
    """RFC 6749 §5.2."""
    headers = [(b"authorization", b"Basic " + credentials.encode("latin-1"))]
    form = client.token_form("code", client_id=None)
    response = await api.post(TOKEN, data=form, headers=headers)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_an_expired_code_is_refused(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §4.1.2."""
    await sign_in_as()
    code = await authorize(browser, client)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(OAuthCode)
            .where(col(OAuthCode.digest) == digest_of(code))
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )
    response = await api.post(TOKEN, data=client.token_form(code))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_person_disabled_meanwhile_gets_no_token(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    email = await sign_in_as()
    code = await authorize(browser, client)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(User).where(col(User.email) == email).values(disabled_at=utc_now())
        )
    response = await api.post(TOKEN, data=client.token_form(code))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_replayed_code_ends_what_it_gave(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §4.1.2 and RFC 9700 §4.5: refused, and the revocation outlives the refusal."""
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    token = (await api.post(TOKEN, data=form)).json()["access_token"]
    await authenticator.authenticate(token)

    response = await api.post(TOKEN, data=form)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(token)
    assert (await events_of(database, tenant))[-2:] == [
        ("oauth_code_replayed", "refused"),
        ("oauth_request_refused", "refused"),  # the token, at the bearer check
    ]


async def test_of_fifty_concurrent_exchanges_one_wins_and_the_others_end_its_token(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §4.1.2: nobody can tell which of the fifty is the thief, so none keeps a token."""
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))

    responses = await asyncio.gather(*(api.post(TOKEN, data=form) for _ in range(50)))

    assert Counter(response.status_code for response in responses) == {200: 1, 400: 49}
    won = next(response for response in responses if response.status_code == 200)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(won.json()["access_token"])
    events = Counter(await events_of(database, tenant))
    assert events["oauth_token_issued", "success"] == 1
    assert events["oauth_code_replayed", "refused"] == 49


async def test_a_parameter_named_twice_is_refused(api: httpx2.AsyncClient) -> None:
    """RFC 6749 §3.2."""
    response = await api.post(
        TOKEN,
        content=b"grant_type=authorization_code&code=a&code=b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_other_bodies_than_forms_are_refused(api: httpx2.AsyncClient, client: Client) -> None:
    """RFC 6749 §4.1.3."""
    response = await api.post(TOKEN, json=client.token_form("code"))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_huge_body_is_not_read(api: httpx2.AsyncClient) -> None:
    response = await api.post(TOKEN, data={"grant_type": "a" * 2_000_000})
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")
