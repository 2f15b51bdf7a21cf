"""Introspection (RFC 7662) for the hub's own resource servers."""

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import update

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant
from oauth.introspection import RESOURCE_SERVER_ID, introspection_secret
from oauth.models import OAuthGrant, OAuthToken
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import Client, connect

INTROSPECT = "/mcp/oauth/introspect"


@pytest_asyncio.fixture
async def token(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> str:
    await sign_in_as()
    return await connect(browser, api, client)


@pytest.fixture
def secret(app: FastAPI) -> str:
    return introspection_secret(app.state.oauth.secret_box)


@pytest.mark.parametrize("place", ["header", "body"])
async def test_says_what_a_token_is_good_for(
    place: str, token: str, secret: str, api: httpx2.AsyncClient, client: Client
) -> None:
    """§2.2."""
    auth = (RESOURCE_SERVER_ID, secret) if place == "header" else httpx2.USE_CLIENT_DEFAULT
    form = {"token": token, "token_type_hint": "access_token"}
    if place == "body":
        form |= {"client_id": RESOURCE_SERVER_ID, "client_secret": secret}
    response = await api.post(INTROSPECT, data=form, auth=auth)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert answer.pop("exp") - answer.pop("iat") == 3600
    assert "@example.com" in answer.pop("username")
    assert len(answer.pop("sub")) == 36
    assert answer == {
        "active": True,
        "scope": "mcp.read mcp.acknowledge",
        "client_id": client.client_id,
        "token_type": "Bearer",
        "aud": "https://api.example.com/mcp",
        "iss": "https://api.example.com",
    }


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (OAuthGrant, {"revoked_at": utc_now()}),
        (OAuthToken, {"expires_at": utc_now()}),
        (OAuthToken, {"resource": "https://other.example/mcp"}),
        (Tenant, {"claude_may_read": False}),
    ],
    ids=["revoked", "expired", "other audience", "switched off"],
)
async def test_says_no_more_than_that_a_token_is_not_active(
    table: type,
    values: dict[str, object],
    token: str,
    secret: str,
    api: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
) -> None:
    """§2.2: no reason is given to the resource server."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(table).values(**values))
    for asked in (token, "mat_unknown"):
        response = await api.post(
            INTROSPECT, data={"token": asked}, auth=(RESOURCE_SERVER_ID, secret)
        )
        assert (response.status_code, response.json()) == (200, {"active": False})
