"""The consent page in its kinds, in both languages: what it says, and that all can use it."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from hub.principal import Role
from hub.tenancy.models import Membership, Tenant
from hub.tenancy.passwords import hash_password_in_thread
from tests.acceptance.connector import BOTH_SCOPES, Pkce, register
from tests.acceptance.person import Account
from tests.browser.visitor import Visitor
from tests.factories import make_tenant, make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

SWITCHES = ("claude_may_read", "claude_may_acknowledge")


async def consent(visitor: Visitor, *, redirect_uri: str, scope: str = BOTH_SCOPES) -> None:
    """Open the consent page that a client with this redirect leads to."""
    client_id = await register(visitor.hub.http, visitor.hub.origin, redirect_uri=redirect_uri)
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": scope,
        "code_challenge": Pkce().challenge,
        "code_challenge_method": "S256",
    }
    await visitor.open(f"/mcp/oauth/authorize?{urlencode(query)}")


async def signed_in_member(visitor: Visitor, tenant: Tenant, role: Role, password: str) -> Account:
    """Sign in as a new member of this organisation, who is a viewer in another one as well."""
    store, email = visitor.hub.database, f"rosa-{uuid4().hex[:8]}@kesselbau.example.com"
    columns = {"email": email, "password_hash": await hash_password_in_thread(password)}
    user = await make_user(store, tenant, role=role, **columns)
    other = await make_tenant(store, name="Beta")
    async with store.transaction(tenant_id=other.id, user_id=user.id) as session:
        session.add(Membership(tenant_id=other.id, user_id=user.id, role=Role.VIEWER))
    await visitor.open("/sign-in")
    await visitor.submit("/sign-in", email=email, password=password)
    return Account(email, password)


@pytest.mark.parametrize(
    ("kind", "settings", "role"),
    [
        ("consent-strict", {"strict_residency": True, "claude_may_read": False}, Role.OWNER),
        ("consent-off", {"claude_may_read": False}, Role.ANALYST),
        ("consent-withheld", {"claude_may_acknowledge": False}, Role.OPERATOR),
        ("consent-staying", {"stay_connected": True, "stay_connected_days": 30}, Role.VIEWER),
        ("consent-opening-both", dict.fromkeys(SWITCHES, False), Role.ADMIN),
    ],
)
async def test_consent_in_its_kinds(
    kind: str,
    settings: dict[str, Any],
    role: Role,
    visitor: Visitor,
    password: str,
) -> None:
    """Of a person with two organisations, for an app on their own computer."""
    name = "Kesselbau & Söhne Wärmetechnik GmbH"
    tenant = await make_tenant(visitor.hub.database, name=name, **settings)
    # Somebody to ask, where this person may not switch the connector on.
    owner = f"{uuid4().hex[:12]}@example.com"
    await make_user(visitor.hub.database, tenant, role=Role.OWNER, email=owner)
    account = await signed_in_member(visitor, tenant, role, password)
    await consent(visitor, redirect_uri="http://127.0.0.1:4711/callback")
    chooser = visitor.page.locator('select[name="tenant"]')
    await chooser.select_option(tenant.slug)
    await visitor.page.locator('button[value="choose"]').click()
    await visitor.check(kind)
    text = await visitor.page.locator("main").inner_text()
    for told in ("acceptance", "127.0.0.1", account.email, name):
        assert told in text


async def test_the_page_for_who_may_not_explore(visitor: Visitor, password: str) -> None:
    tenant = await make_tenant(visitor.hub.database)
    await signed_in_member(visitor, tenant, Role.VIEWER, password)
    await visitor.open("/graphiql")
    await visitor.check("no-exploring")
