"""Lists that grow are shown page by page, whole, and each entry once."""

from datetime import timedelta
from uuid import uuid4

import pytest

from hub.clock import utc_now
from hub.database import Database
from hub.principal import Role
from hub.tenancy.models import Membership, Tenant, User
from oauth.account.grants import APPS_A_PAGE
from oauth.models import OAuthGrant
from tests.factories import make_user
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.browser import Page

MEMBERS = 230
APPS = 2 * APPS_A_PAGE + 7


async def pages(person: Someone, path: str, *, more: str) -> list[Page]:
    """Follow the way on until there is none."""
    found, link = [], path
    while link:
        response = await person.browser.get(link)
        assert response.status_code == 200
        found.append(Page(response.text))
        _, _, rest = response.text.partition(f'<a href="{path}?{more}=')
        link = f"{path}?{more}={rest.partition('"')[0]}" if rest else ""
    return found


async def test_every_member_of_a_large_organisation_is_listed_once(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    people = [
        User(id=uuid4(), email=f"{n:03}.{tenant.id.hex}@example.com", password_hash="!")
        for n in range(MEMBERS)
    ]
    for user in people:
        async with database.transaction(tenant_id=tenant.id, user_id=user.id) as session:
            session.add(user)
            await session.flush()
            session.add(Membership(tenant_id=tenant.id, user_id=user.id, role=Role.VIEWER))
    found = await pages(owner, "/account/members", more="after")
    listed = [
        form.fields["member"]
        for page in found
        for form in page.forms
        if form.action == "/account/members/remove"
    ]
    assert sorted(listed) == sorted([str(owner.user.id), *(str(user.id) for user in people)])
    assert [f"{MEMBERS + 1} people in all." in page.text for page in found] == [True] * 3


@pytest.mark.parametrize("whose", ["own", "others"])
async def test_every_connected_app_is_listed_once(
    whose: str, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    user = owner.user if whose == "own" else await make_user(database, tenant)
    now = utc_now()
    async with database.transaction(tenant_id=tenant.id) as session:
        for n in range(APPS):
            session.add(
                OAuthGrant(
                    tenant_id=tenant.id,
                    user_id=user.id,
                    client_id=f"https://client.example/{'a' * 400}/{n}",
                    redirect_host="client.example",
                    scope="mcp.read",
                    # Several were allowed at the same moment: the order has a tie-break.
                    created_at=now - timedelta(minutes=n // 10),
                )
            )
    more = "after" if whose == "own" else "others_after"
    found = await pages(owner, "/account/apps", more=more)
    listed = [
        form.fields["client"]
        for page in found
        for form in page.forms
        if form.action == "/account/apps/revoke"
    ]
    assert len(found) == 3
    assert len(listed) == len(set(listed)) == APPS


@pytest.mark.parametrize(
    "path", ["/account/members?after=x", "/account/apps?after=x", "/account/apps?others_after=x"]
)
async def test_what_is_no_page_leads_to_the_first(path: str, someone: MakeSomeone) -> None:
    owner = await someone()
    response = await owner.browser.get(path)
    assert (response.status_code, response.headers["location"]) == (303, path.partition("?")[0])
