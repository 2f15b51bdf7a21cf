"""Attacks with access tokens, at the connector itself."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, update
from sqlmodel import SQLModel, col

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Membership, Tenant, User
from oauth.models import OAuthGrant, OAuthToken
from oauth.tokens import ACCESS_TOKEN_PREFIX, new_token
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import REVOKE, TOKEN, Client, authorize, connect, register

CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "monsys_list_alerts", "arguments": {}},
}


async def call(api: httpx2.AsyncClient, token: str | None, path: str = "/mcp") -> httpx2.Response:
    """Call a tool with this token."""
    headers = {"Accept": "application/json, text/event-stream"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await api.post(path, json=CALL, headers=headers)


@pytest.fixture
async def token(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> str:
    """Return a live access token."""
    await sign_in_as()
    return await connect(browser, api, client)


async def change(database: Database, tenant: Tenant, table: type[SQLModel], **values: Any) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(table).values(**values))


async def test_a_token_of_another_audience_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene, database: Database, tenant: Tenant
) -> None:
    """RFC 8707 §2, RFC 9700 §4.10.2."""
    await change(database, tenant, OAuthToken, resource="https://other.example/mcp")
    await scene.begin()
    response = await call(api, token)
    await scene.refused(response, status=401, error=None, reason="another resource", audited=True)
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_a_token_of_a_revoked_grant_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene, database: Database, tenant: Tenant
) -> None:
    """RFC 7009 §2.2: at once, not when a cache has forgotten."""
    await change(database, tenant, OAuthGrant, revoked_at=utc_now())
    await scene.begin()
    await scene.refused(await call(api, token), status=401, reason="revoked", audited=True)


async def test_a_token_is_dead_in_the_call_after_its_revocation(
    token: str, api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 7009 §2."""
    await api.post(REVOKE, data={"token": token, "client_id": client.client_id})
    await scene.begin()
    await scene.refused(await call(api, token), status=401, reason="revoked", audited=True)


async def test_a_token_of_a_disabled_connector_is_forbidden(
    token: str, api: httpx2.AsyncClient, scene: Scene, database: Database, tenant: Tenant
) -> None:
    """RFC 6750 §3.1: the switch stops live tokens."""
    await change(database, tenant, Tenant, claude_may_read=False)
    await scene.begin()
    await scene.refused(await call(api, token), status=403, reason="switched off", audited=True)


async def test_a_token_of_a_removed_member_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene, database: Database, tenant: Tenant
) -> None:
    """RFC 9700 §4.14: access ends with the person's own."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(delete(Membership).where(col(Membership.tenant_id) == tenant.id))
    await scene.begin()
    await scene.refused(
        await call(api, token), status=401, reason="no longer a member", audited=True
    )


async def test_a_token_of_a_disabled_person_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene, database: Database, tenant: Tenant
) -> None:
    """RFC 9700 §4.14."""
    await change(database, tenant, User, disabled_at=utc_now())
    await scene.begin()
    await scene.refused(
        await call(api, token), status=401, reason="no longer a member", audited=True
    )


async def test_an_expired_token_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene, database: Database, tenant: Tenant
) -> None:
    """RFC 6750 §3.1."""
    await change(database, tenant, OAuthToken, expires_at=utc_now())
    await scene.begin()
    await scene.refused(await call(api, token), status=401, reason="expired", audited=True)


async def test_a_guessed_token_is_refused(api: httpx2.AsyncClient, scene: Scene) -> None:
    """RFC 6750 §5.1: well-formed, with a right checksum, and unknown."""
    await scene.begin()
    response = await call(api, new_token(ACCESS_TOKEN_PREFIX))
    await scene.refused(response, status=401, reason="unknown", audited=False)


async def test_a_refresh_token_is_no_access_token(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §1.5: refresh tokens go to the authorization server and nowhere else."""
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    refresh_token = (await api.post(TOKEN, data=form)).json()["refresh_token"]
    await scene.begin()
    response = await call(api, refresh_token)
    await scene.refused(response, status=401, reason="opens nothing here", audited=True)


async def test_a_token_in_the_address_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 6750 §5.3 and RFC 9700 §4.3.2: addresses end up in logs, so the tenant is told."""
    await scene.begin()
    response = await call(api, None, path=f"/mcp?access_token={token}")
    await scene.refused(response, status=400, reason="in the address", audited=True)
    assert token not in response.text


async def test_a_token_shown_twice_is_refused(
    token: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 6750 §2: one method for each request."""
    await scene.begin()
    headers = [
        ("Authorization", f"Bearer {token}"),
        ("Authorization", f"Bearer {new_token(ACCESS_TOKEN_PREFIX)}"),
        ("Accept", "application/json, text/event-stream"),
    ]
    response = await api.post("/mcp", json=CALL, headers=headers)
    await scene.refused(response, status=400, reason="more than one", audited=True)


@pytest.mark.parametrize(
    ("shown", "status", "reason"),
    [
        ("guess", 401, "not one of this hub"),
        ("mat_" + "a" * 49, 401, "not one of this hub"),
        ("mat_' OR 1=1 --", 400, "no bearer token"),
        ("mat_a mat_b", 400, "no bearer token"),
    ],
    ids=["a word", "a wrong checksum", "SQL", "two at once"],
)
async def test_what_is_no_token_is_refused(
    shown: str, status: int, reason: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 6750 §3.1: nobody's, and written down all the same."""
    await scene.begin()
    response = await call(api, shown)
    await scene.refused(response, status=status, reason=reason, audited=False)
    assert response.headers["www-authenticate"].startswith("Bearer error=")


async def test_nobody_revokes_the_token_of_another_client(
    token: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 7009 §2.1."""
    other = await register(api)
    await scene.begin()
    response = await api.post(REVOKE, data={"token": token, "client_id": other.client_id})
    await scene.refused(response, status=400, error="invalid_grant", reason="invalid_grant")


@pytest.mark.parametrize(
    "credentials",
    [None, ("monsys-resource-server", "guess"), ("monsys-resource-server", "é")],
    ids=["none", "wrong", "not ASCII"],
)
async def test_strangers_learn_nothing_by_introspection(
    credentials: tuple[str, str] | None, token: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 7662 §4: token scanning."""
    await scene.begin()
    auth = credentials or httpx2.USE_CLIENT_DEFAULT
    response = await api.post("/mcp/oauth/introspect", data={"token": token}, auth=auth)
    await scene.refused(response, status=401, error="invalid_client", reason="own resource servers")


async def test_a_client_is_no_resource_server(
    token: str, api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 7662 §2.1: knowing a registered client is not enough to look into tokens."""
    await scene.begin()
    form = {"token": token, "client_id": client.client_id, "client_secret": "x"}
    response = await api.post("/mcp/oauth/introspect", data=form)
    await scene.refused(response, status=401, error="invalid_client", reason="own resource servers")
