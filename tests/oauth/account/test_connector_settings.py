"""The connector's switches: who turns them, when a code is needed, and what they do at once."""

import asyncio

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.database import Database
from hub.errors import Forbidden
from hub.principal import Role
from hub.tenancy.connector_settings import ConnectorSettings, connector_settings
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from tests.factories import make_tenant
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.browser import Page
from tests.oauth.flow import AUTHORIZE, Client, connect
from tests.oauth.trail import events_of

PATH = "/account/connector"
OPEN = {"claude_may_read": "yes", "claude_may_acknowledge": "yes"}


async def settings_of(database: Database, tenant: Tenant) -> ConnectorSettings:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await connector_settings(session)


async def test_an_owner_sets_every_switch_and_it_is_written_down_who(
    someone: MakeSomeone, database: Database
) -> None:
    tenant = await make_tenant(database, claude_may_read=False, claude_may_acknowledge=False)
    owner = await someone(of=tenant)
    response = await owner.post(PATH, **OPEN, stay_connected="yes", stay_connected_days="90")
    assert response.headers["location"] == f"{PATH}?done=saved"
    expected = ConnectorSettings(
        claude_may_read=True,
        claude_may_acknowledge=True,
        strict_residency=False,
        stay_connected=True,
        stay_connected_days=90,
    )
    assert await settings_of(database, tenant) == expected
    async with database.transaction(tenant_id=tenant.id) as session:
        row = (
            await session.execute(
                text("SELECT actor, details FROM audit_log WHERE event_type LIKE 'connector%'")
            )
        ).one()
    assert row.actor == owner.email
    assert row.details == {
        "claude_may_read": True,
        "claude_may_acknowledge": True,
        "stay_connected": True,
        "stay_connected_days": 90,
    }


async def test_saving_without_a_change_is_no_event(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    assert (await owner.post(PATH, **OPEN)).status_code == 303
    assert [kind for kind, _ in await events_of(database, tenant)] == ["signed_in"]


async def test_a_switch_turned_off_stops_the_next_call(
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
) -> None:
    owner = await someone()
    token = await connect(owner.browser, api, client)
    await authenticator.authenticate(token)
    assert (await owner.post(PATH)).status_code == 303
    with pytest.raises(Forbidden, match="switched off"):
        await authenticator.authenticate(token)


async def test_an_old_page_does_not_turn_on_what_was_turned_off_since(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    """Whoever must stop the flow of data is not undone by a colleague who changes the days."""
    owner, colleague = await someone(), await someone(Role.ADMIN)
    old = (await colleague.page(PATH)).form(PATH)
    assert (await owner.post(PATH)).status_code == 303
    closed = await settings_of(database, tenant)
    response = await colleague.browser.submit(old, **OPEN, stay_connected_days="7")
    assert response.status_code == 400
    assert "changed meanwhile" in Page(response.text).text
    assert await settings_of(database, tenant) == closed
    response = await colleague.browser.submit(Page(response.text).form(PATH), **OPEN)
    assert response.status_code == 303
    assert (await settings_of(database, tenant)).claude_may_read is True


async def test_of_two_who_decide_at_once_the_second_looks_again(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner, colleague = await someone(), await someone(Role.ADMIN)
    forms = [(await one.page(PATH)).form(PATH) for one in (owner, colleague)]
    answers = await asyncio.gather(
        owner.browser.submit(forms[0], **OPEN, stay_connected_days="7"),
        colleague.browser.submit(forms[1], **OPEN, stay_connected_days="8"),
    )
    assert sorted(one.status_code for one in answers) == [303, 400]
    first = "7" if answers[0].status_code == 303 else "8"
    assert (await settings_of(database, tenant)).stay_connected_days == int(first)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST, Role.VIEWER])
async def test_others_see_the_switches_and_turn_none(
    role: Role, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    member, before = await someone(role), await settings_of(database, tenant)
    page = await member.page(PATH)
    assert "Here you see how it stands." in page.text
    response = await member.post(PATH)
    assert response.status_code == 403
    assert await settings_of(database, tenant) == before


@pytest.mark.parametrize("days", ["0", "366", "-1", "1e3", "", "٣", "99999"])
async def test_staying_connected_has_a_longest_time(
    days: str, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    response = await owner.post(PATH, **OPEN, stay_connected="yes", stay_connected_days=days)
    if days == "":
        assert response.status_code == 303  # as it was
        return
    assert response.status_code == 400
    assert (await settings_of(database, tenant)).stay_connected is False


@pytest_asyncio.fixture
async def strict(database: Database) -> Tenant:
    return await make_tenant(
        database, claude_may_read=False, claude_may_acknowledge=False, strict_residency=True
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"strict_residency": "yes", "claude_may_read": "yes"},
        {"strict_residency": "yes", "claude_may_acknowledge": "yes"},
        {"claude_may_read": "yes"},
        {},
    ],
    ids=["reading", "acknowledging", "both at once", "giving strictness up"],
)
async def test_strict_residency_is_opened_and_given_up_with_a_fresh_code_only(
    fields: dict[str, str], someone: MakeSomeone, database: Database, strict: Tenant
) -> None:
    owner, before = await someone(of=strict, totp=True), await settings_of(database, strict)
    asked = await owner.post(PATH, **fields)
    assert asked.status_code == 403
    form = Page(asked.text).form(PATH)
    assert (await owner.browser.submit(form, code="000000")).status_code == 400
    assert await settings_of(database, strict) == before
    assert (await owner.browser.submit(form, code=owner.code())).status_code == 303
    after = await settings_of(database, strict)
    assert after != before
    assert after.claude_may_read is ("claude_may_read" in fields)


async def test_closing_never_needs_a_code(someone: MakeSomeone, database: Database) -> None:
    tenant = await make_tenant(database, strict_residency=True)
    owner = await someone(of=tenant)
    assert (await owner.post(PATH, strict_residency="yes")).status_code == 303
    assert (await settings_of(database, tenant)).claude_may_read is False


async def test_under_strict_residency_consent_opens_nothing_and_says_where(
    someone: MakeSomeone, client: Client, database: Database, strict: Tenant
) -> None:
    owner = await someone(of=strict, totp=True)
    page = await owner.page(client.authorize_url())
    form = page.form(AUTHORIZE, field="csrf_token")
    assert form.boxes == set()
    assert form.decisions == {"deny"}
    assert "with a one-time code, and not here" in page.text
    forced = await owner.browser.submit(
        form, decision="allow", enable_read="yes", enable_acknowledge="yes"
    )
    assert forced.status_code == 400
    assert (await settings_of(database, strict)).claude_may_read is False


async def test_consent_says_how_long_an_app_may_stay(
    someone: MakeSomeone, client: Client, database: Database
) -> None:
    tenant = await make_tenant(database, stay_connected=True, stay_connected_days=45)
    owner = await someone(of=tenant)
    assert "for 45 days at most" in (await owner.page(client.authorize_url())).text
