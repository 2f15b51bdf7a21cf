"""Connections that last: refresh tokens where the tenant allows them."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.principal import Scope
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from oauth.models import OAuthGrant, OAuthToken, TokenKind
from tests.factories import make_tenant
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import REVOKE, TOKEN, Client, authorize
from tests.oauth.trail import events_of


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, stay_connected=True, stay_connected_days=10)


@pytest_asyncio.fixture
async def tokens(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> dict[str, Any]:
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    answer: dict[str, Any] = (await api.post(TOKEN, data=form)).json()
    return answer


def form_of(client: Client, refresh_token: str, **changes: str) -> dict[str, str]:
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": client.client_id,
    }
    return fields | changes


async def test_a_connection_that_may_last_gets_a_refresh_token(tokens: dict[str, Any]) -> None:
    """RFC 6749 §5.1; the members of our documentation come first."""
    assert list(tokens) == ["access_token", "token_type", "expires_in", "scope", "refresh_token"]
    assert tokens["expires_in"] == 3600
    assert tokens["refresh_token"].startswith("mrt_")


async def test_refreshing_gives_a_new_pair_for_the_same_person(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 6749 §6, OAuth 2.1 §4.3.1 (rotation)."""
    response = await api.post(TOKEN, data=form_of(client, tokens["refresh_token"]))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert list(answer) == list(tokens)
    assert answer["refresh_token"] != tokens["refresh_token"]
    before = await authenticator.authenticate(tokens["access_token"])
    after = await authenticator.authenticate(answer["access_token"])
    assert after == before
    assert (await events_of(database, tenant))[-1] == ("oauth_token_refreshed", "success")


async def test_a_chain_of_refreshes_goes_on(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
) -> None:
    current = tokens
    for _ in range(5):
        form = form_of(client, current["refresh_token"])
        current = (await api.post(TOKEN, data=form)).json()
    await authenticator.authenticate(current["access_token"])


async def test_a_refresh_may_ask_for_less(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
) -> None:
    """RFC 6749 §6: of this access token; the refresh token keeps what was granted."""
    form = form_of(client, tokens["refresh_token"], scope="mcp.read offline_access")
    answer = (await api.post(TOKEN, data=form)).json()
    assert answer["scope"] == "mcp.read"
    assert (await authenticator.authenticate(answer["access_token"])).scopes == {Scope.READ}
    again = (await api.post(TOKEN, data=form_of(client, answer["refresh_token"]))).json()
    assert again["scope"] == "mcp.read mcp.acknowledge"


async def test_works_past_the_hour(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(OAuthToken)
            .where(col(OAuthToken.kind) == TokenKind.ACCESS)
            .values(expires_at=utc_now() - timedelta(minutes=1))
        )
    answer = (await api.post(TOKEN, data=form_of(client, tokens["refresh_token"]))).json()
    await authenticator.authenticate(answer["access_token"])


async def test_the_tenants_longest_lifetime_counts_from_the_consent(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 9700 §4.14.2: refreshing does not prolong it."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(OAuthGrant).values(created_at=utc_now() - timedelta(days=9)))
    answer = (await api.post(TOKEN, data=form_of(client, tokens["refresh_token"]))).json()
    async with database.transaction(tenant_id=tenant.id) as session:
        expiry = (
            await session.scalars(
                select(col(OAuthToken.expires_at))
                .where(col(OAuthToken.kind) == TokenKind.REFRESH)
                .order_by(col(OAuthToken.issued_at).desc())
                .limit(1)
            )
        ).one()
        assert timedelta(hours=23) < expiry - utc_now() <= timedelta(days=1)
        await session.execute(update(OAuthGrant).values(created_at=utc_now() - timedelta(days=10)))
    response = await api.post(TOKEN, data=form_of(client, answer["refresh_token"]))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_lost_answer_can_be_asked_for_again_for_a_minute(
    tokens: dict[str, Any], api: httpx2.AsyncClient, client: Client
) -> None:
    """RFC 9700 §4.14.2 leaves the window to the server: the same successor, a new access token."""
    form = form_of(client, tokens["refresh_token"])
    first, second = [(await api.post(TOKEN, data=form)).json() for _ in range(2)]
    assert first["refresh_token"] == second["refresh_token"]
    assert first["access_token"] != second["access_token"]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_connection(
    kind: str,
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
) -> None:
    """RFC 7009 §2.1."""
    form = {"token": tokens[kind], "client_id": client.client_id, "token_type_hint": kind}
    assert (await api.post(REVOKE, data=form)).status_code == 200
    response = await api.post(TOKEN, data=form_of(client, tokens["refresh_token"]))
    assert response.json()["error"] == "invalid_grant"


async def test_the_database_gives_no_successor_away(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    database: Database,
    tenant: Tenant,
) -> None:
    answer = (await api.post(TOKEN, data=form_of(client, tokens["refresh_token"]))).json()
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = (await session.scalars(select(OAuthToken))).all()
    sealed = [row.successor_sealed for row in rows if row.successor_sealed]
    assert len(sealed) == 1
    assert answer["refresh_token"].encode() not in sealed[0]
