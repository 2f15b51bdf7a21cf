"""Attacks with refresh tokens."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Unauthenticated
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from oauth.models import OAuthToken
from oauth.tokens import REFRESH_TOKEN_PREFIX, new_token
from tests.oauth.attacks.scene import Scene, revoked_now
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import RESOURCE, TOKEN, Client, authorize, register


def refresh_form(client: Client, refresh_token: str, **changes: str) -> dict[str, str]:
    """Return a refresh request."""
    return {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": client.client_id,
        "resource": RESOURCE,
    } | changes


@pytest.fixture
async def tokens(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> dict[str, Any]:
    """Return what a connection that may last was given."""
    await sign_in_as()
    form = client.token_form(await authorize(browser, client))
    answer: dict[str, Any] = (await api.post(TOKEN, data=form)).json()
    return answer


async def pass_grace(database: Database, tenant: Tenant) -> None:
    """Let every exchange of a refresh token lie two minutes back."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(OAuthToken)
            .where(col(OAuthToken.used_at).is_not(None))
            .values(used_at=utc_now() - timedelta(minutes=2))
        )


async def test_reuse_of_a_rotated_token_ends_the_family(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    scene: Scene,
    database: Database,
    tenant: Tenant,
    authenticator: BearerAuthenticator,
) -> None:
    """RFC 9700 §4.14.2: the thief's reuse ends the client's tokens too, because one has leaked."""
    form = refresh_form(client, tokens["refresh_token"])
    fresh = (await api.post(TOKEN, data=form)).json()
    await pass_grace(database, tenant)
    response = await api.post(TOKEN, data=form)
    await scene.refused(
        response, status=400, error="invalid_grant", reason="grant_revoked", changes=True
    )
    await scene.ended()
    for access_token in (tokens["access_token"], fresh["access_token"]):
        with pytest.raises(Unauthenticated, match="revoked"):
            await authenticator.authenticate(access_token)
    successor = await api.post(TOKEN, data=refresh_form(client, fresh["refresh_token"]))
    assert successor.json()["error"] == "invalid_grant"


async def test_a_thief_cannot_fork_the_chain_within_the_grace_window(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    database: Database,
    tenant: Tenant,
    scene: Scene,
) -> None:
    """RFC 9700 §4.14.2: both get one and the same successor, so the next reuse shows."""
    form = refresh_form(client, tokens["refresh_token"])
    own, stolen = [(await api.post(TOKEN, data=form)).json() for _ in range(2)]
    assert own["refresh_token"] == stolen["refresh_token"]
    await api.post(TOKEN, data=refresh_form(client, own["refresh_token"]))
    await pass_grace(database, tenant)
    response = await api.post(TOKEN, data=refresh_form(client, stolen["refresh_token"]))
    await scene.refused(
        response, status=400, error="invalid_grant", reason="grant_revoked", changes=True
    )
    await scene.ended()


async def test_a_stolen_refresh_token_is_worthless_to_another_client(
    tokens: dict[str, Any], api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 6749 §10.4: bound to the client it was issued to."""
    thief = await register(api)
    await scene.begin()
    response = await api.post(TOKEN, data=refresh_form(thief, tokens["refresh_token"]))
    await scene.refused(response, status=400, error="invalid_grant", reason="another client")


async def test_a_refresh_token_does_not_widen_its_scope(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 6749 §6."""
    await sign_in_as()
    code = await authorize(browser, client, scope="mcp.read")
    token = (await api.post(TOKEN, data=client.token_form(code))).json()["refresh_token"]
    await scene.begin()
    form = refresh_form(client, token, scope="mcp.read mcp.acknowledge")
    response = await api.post(TOKEN, data=form)
    await scene.refused(response, status=400, error="invalid_scope", reason="exceeds")


async def test_a_refresh_token_is_not_good_for_another_resource(
    tokens: dict[str, Any], api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 8707 §2.2."""
    await scene.begin()
    form = refresh_form(client, tokens["refresh_token"], resource="https://other.example/mcp")
    response = await api.post(TOKEN, data=form)
    await scene.refused(response, status=400, error="invalid_target", reason="resource")


async def test_a_guessed_refresh_token_is_refused(
    api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 6749 §10.10."""
    await scene.begin()
    response = await api.post(TOKEN, data=refresh_form(client, new_token(REFRESH_TOKEN_PREFIX)))
    await scene.refused(response, status=400, error="invalid_grant", reason="unknown")


async def test_an_access_token_is_no_refresh_token(
    tokens: dict[str, Any], api: httpx2.AsyncClient, client: Client, scene: Scene
) -> None:
    """RFC 6749 §1.5: an hour's token does not become a month's."""
    await scene.begin()
    response = await api.post(TOKEN, data=refresh_form(client, tokens["access_token"]))
    await scene.refused(response, status=400, error="invalid_grant", reason="not one of this hub")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stay_connected": False}, "stay connected"),
        ({"claude_may_read": False}, "switched off"),
        ({"stay_connected_days": 0}, "expired"),
    ],
)
async def test_refreshing_stops_when_the_tenant_says_so(
    changes: dict[str, Any],
    reason: str,
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    scene: Scene,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 9700 §4.14: a refresh token is no way around a setting that was changed."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(Tenant).values(**changes))
    await scene.begin()
    response = await api.post(TOKEN, data=refresh_form(client, tokens["refresh_token"]))
    await scene.refused(response, status=400, error="invalid_grant", reason=reason)


async def test_a_refresh_token_of_a_revoked_grant_is_refused(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    scene: Scene,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 7009 §2.1."""
    await revoked_now(database, tenant)
    await scene.begin()
    response = await api.post(TOKEN, data=refresh_form(client, tokens["refresh_token"]))
    await scene.refused(response, status=400, error="invalid_grant", reason="revoked")


async def test_fifty_reuses_at_once_win_nothing(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    scene: Scene,
    database: Database,
    tenant: Tenant,
) -> None:
    """RFC 9700 §4.14.2."""
    form = refresh_form(client, tokens["refresh_token"])
    await api.post(TOKEN, data=form)
    await pass_grace(database, tenant)
    responses = await asyncio.gather(*(api.post(TOKEN, data=form) for _ in range(50)))
    for response in responses:
        scene.turned_down(response, status=400, error="invalid_grant")
        await scene.logged(response, reason="revoke", audited=True)
    await scene.ended()
