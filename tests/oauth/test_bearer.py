"""The bearer check: whom a token speaks for, and when it stops to."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import delete, update
from sqlmodel import SQLModel, col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Forbidden, Unauthenticated
from hub.principal import Scope
from hub.tenancy.models import Membership, Tenant, User
from oauth.bearer import BearerAuthenticator
from oauth.models import OAuthGrant, OAuthToken
from oauth.tokens import ACCESS_TOKEN_PREFIX, new_token
from tests.conftest import Statements
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import REVOKE, Client, connect, register


@pytest_asyncio.fixture
async def token(
    browser: Browser, api: httpx2.AsyncClient, client: Client, sign_in_as: MakeSignedIn
) -> str:
    await sign_in_as()
    return await connect(browser, api, client)


async def change(database: Database, tenant: Tenant, table: type[SQLModel], **values: Any) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(table).values(**values))


async def test_costs_one_round_trip(
    token: str, authenticator: BearerAuthenticator, statements: Statements
) -> None:
    for _ in range(2):
        statements.clear()
        await authenticator.authenticate(token)
        assert statements == ["SELECT * FROM monsys_token_standing($1)"]


async def test_knows_when_the_token_expires(token: str, authenticator: BearerAuthenticator) -> None:
    checked = await authenticator.check(token)
    left = checked.expires_at - utc_now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


@pytest.mark.parametrize(
    "foreign",
    ["", "mat_", "Bearer x", "mat_" + "a" * 49, "mat_é", new_token("mcs_"), "mat_\x00"],
    ids=["empty", "prefix", "words", "no checksum", "not ASCII", "other prefix", "control"],
)
async def test_turns_away_what_is_no_token_without_asking(
    foreign: str, authenticator: BearerAuthenticator, statements: Statements
) -> None:
    with pytest.raises(Unauthenticated, match="not one of this hub's"):
        await authenticator.authenticate(foreign)
    # Nothing is looked up; that it was shown is written down.
    assert [statement.split(" (")[0] for statement in statements] == ["INSERT INTO oauth_events"]


async def test_refuses_a_token_it_never_issued(authenticator: BearerAuthenticator) -> None:
    with pytest.raises(Unauthenticated, match="unknown"):
        await authenticator.authenticate(new_token(ACCESS_TOKEN_PREFIX))


async def test_refuses_an_expired_token(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    """RFC 6750 §3.1."""
    await change(database, tenant, OAuthToken, expires_at=utc_now() - timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticator.authenticate(token)


async def test_refuses_a_token_for_another_resource(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    """RFC 8707 §2; MCP authorization, "Access Token Privilege Restriction"."""
    await change(database, tenant, OAuthToken, resource="https://other.example/mcp")
    with pytest.raises(Unauthenticated, match="another resource"):
        await authenticator.authenticate(token)


async def test_refuses_the_token_of_a_revoked_grant(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    await change(database, tenant, OAuthGrant, revoked_at=utc_now())
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(token)


async def test_refuses_the_token_of_a_removed_member(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(delete(Membership).where(col(Membership.tenant_id) == tenant.id))
    with pytest.raises(Unauthenticated, match="no longer a member"):
        await authenticator.authenticate(token)


async def test_refuses_the_token_of_a_disabled_person(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    await change(database, tenant, User, disabled_at=utc_now())
    with pytest.raises(Unauthenticated, match="no longer a member"):
        await authenticator.authenticate(token)


async def test_a_connector_that_is_off_is_forbidden_to_everybody(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    await change(database, tenant, Tenant, claude_may_read=False)
    with pytest.raises(Forbidden, match="switched off"):
        await authenticator.authenticate(token)


async def test_switching_acknowledging_off_takes_that_scope_from_live_tokens(
    token: str, authenticator: BearerAuthenticator, database: Database, tenant: Tenant
) -> None:
    await change(database, tenant, Tenant, claude_may_acknowledge=False)
    principal = await authenticator.authenticate(token)
    assert principal.scopes == {Scope.READ}


async def test_a_client_that_revokes_is_out_at_once(
    token: str, api: httpx2.AsyncClient, client: Client, authenticator: BearerAuthenticator
) -> None:
    """RFC 7009 §2.1 and §2.2: revoking twice, or what never was, is fine too."""
    form = {"token": token, "client_id": client.client_id, "token_type_hint": "nonsense"}
    for _ in range(2):
        response = await api.post(REVOKE, data=form)
        assert (response.status_code, response.json()) == (200, {})
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(token)
    unknown = {"token": "mat_unknown", "client_id": client.client_id}
    assert (await api.post(REVOKE, data=unknown)).status_code == 200


async def test_nobody_revokes_the_token_of_another_client(
    token: str, api: httpx2.AsyncClient, authenticator: BearerAuthenticator
) -> None:
    """RFC 7009 §2.1."""
    other = await register(api)
    response = await api.post(REVOKE, data={"token": token, "client_id": other.client_id})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    await authenticator.authenticate(token)
    response = await api.post(REVOKE, data={"client_id": other.client_id})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
