"""Fifty at a time: exactly one wins, or none, as the rules say.

Where the losers are attackers the race is in `tests/oauth/attacks`.
"""

import asyncio
from collections import Counter
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlmodel import col

from hub.database import Database
from hub.errors import Unauthenticated
from hub.principal import Role
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from oauth.models import OAuthGrant, OAuthToken
from tests.factories import make_tenant
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import RESOURCE, REVOKE, TOKEN, Client, authorize, consent_form


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    """Return a tenant whose connections last."""
    return await make_tenant(database, stay_connected=True)


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


async def test_fifty_refreshes_at_once_make_one_successor(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    database: Database,
    tenant: Tenant,
    authenticator: BearerAuthenticator,
) -> None:
    """RFC 9700 §4.14.2: one rotation; every request of the client gets the same successor."""
    form = refresh_form(client, tokens["refresh_token"])
    responses = await asyncio.gather(*(api.post(TOKEN, data=form) for _ in range(50)))
    assert Counter(response.status_code for response in responses) == {200: 50}
    answers = [response.json() for response in responses]
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == 50
    async with database.transaction(tenant_id=tenant.id) as session:
        kinds = Counter((await session.scalars(select_kinds())).all())
    assert kinds == {"access": 51, "refresh": 2}
    for answer in answers:
        await authenticator.authenticate(answer["access_token"])


async def test_use_that_races_a_revocation_never_outlives_it(
    tokens: dict[str, Any],
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
) -> None:
    """RFC 7009 §2.2: whatever fifty refreshes and checks get meanwhile, it is dead afterwards."""
    revocation = {"token": tokens["refresh_token"], "client_id": client.client_id}
    form = refresh_form(client, tokens["refresh_token"])
    raced = [api.post(TOKEN, data=form) for _ in range(25)]
    raced.insert(12, api.post(REVOKE, data=revocation))
    checks = [is_good(authenticator, tokens["access_token"]) for _ in range(24)]
    responses, _ = await asyncio.gather(asyncio.gather(*raced), asyncio.gather(*checks))
    given = [
        response.json()["access_token"]
        for response in responses
        if "access_token" in response.json()
    ]
    for access_token in (*given, tokens["access_token"]):
        assert not await is_good(authenticator, access_token)
    assert (await api.post(TOKEN, data=form)).json()["error"] == "invalid_grant"


async def test_consent_opens_nothing_in_a_tenant_that_becomes_strict_meanwhile(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, database: Database
) -> None:
    """The page was made and sent before; what holds is what the organisation wants by now."""
    tenant = await make_tenant(database, claude_may_read=False)
    await sign_in_as(Role.OWNER, of=tenant)
    form = await consent_form(browser, client)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(Tenant).values(strict_residency=True))
        decision = browser.submit(form, decision="allow", enable_read="yes")
        sent = asyncio.create_task(decision)
        await asyncio.sleep(0.5)
        assert not sent.done()
    response = await sent
    assert response.status_code == 403
    assert "under strict residency" in Page(response.text).text
    async with database.transaction(tenant_id=tenant.id) as session:
        assert (await session.get_one(Tenant, tenant.id)).claude_may_read is False
        assert (await session.scalars(select(OAuthGrant))).all() == []


async def is_good(authenticator: BearerAuthenticator, token: str) -> bool:
    """Tell whether the connector takes the token."""
    try:
        await authenticator.authenticate(token)
    except Unauthenticated:
        return False
    return True


def select_kinds() -> Any:
    """Return the kinds of all tokens that are alive."""
    return select(col(OAuthToken.kind)).where(
        col(OAuthToken.revoked_at).is_(None),
        col(OAuthToken.grant_id).in_(select(col(OAuthGrant.id))),
    )
