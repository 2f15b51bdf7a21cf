"""Connected apps: everybody sees and ends their own, managers everybody's."""

import httpx2
import pytest

from hub.database import Database
from hub.errors import Unauthenticated
from hub.principal import Role
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.browser import Form, Page
from tests.oauth.flow import Client, connect, register
from tests.oauth.trail import events_of

PATH = "/account/apps/revoke"


async def disconnect_form(person: Someone, *, of: Someone) -> Form:
    page = await person.page("/account/apps")
    (form,) = [form for form in page.forms if form.fields.get("user") == str(of.user.id)]
    return form


async def test_tells_client_host_scopes_and_when(
    someone: MakeSomeone, api: httpx2.AsyncClient, authenticator: BearerAuthenticator
) -> None:
    person = await someone(Role.OPERATOR)
    client = await register(api, client_name="Claude <b>")
    token = await connect(person.browser, api, client)
    page = await person.page("/account/apps")
    for words in ("Claude <b>", "claude.ai", "acknowledge detections, read", "Last used never"):
        assert words in page.text
    await authenticator.authenticate(token)
    assert "Last used never" not in (await person.page("/account/apps")).text


async def test_one_app_that_connected_twice_is_one_entry_and_ends_whole(
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    person = await someone(Role.OPERATOR)
    tokens = [await connect(person.browser, api, client) for _ in range(2)]
    response = await person.browser.submit(await disconnect_form(person, of=person))
    assert response.headers["location"] == "/account/apps?done=revoked"
    for token in tokens:
        with pytest.raises(Unauthenticated, match="revoked"):
            await authenticator.authenticate(token)
    assert "You have connected none." in (await person.page("/account/apps")).text
    assert ("oauth_grant_revoked", "success") in await events_of(database, tenant)


async def test_other_apps_stay_connected(
    someone: MakeSomeone, api: httpx2.AsyncClient, authenticator: BearerAuthenticator
) -> None:
    person = await someone(Role.OPERATOR)
    first, second = await register(api), await register(api)
    ended = await connect(person.browser, api, first)
    kept = await connect(person.browser, api, second)
    page = await person.page("/account/apps")
    (form,) = [form for form in page.forms if form.fields.get("client") == first.client_id]
    await person.browser.submit(form)
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(ended)
    assert (await authenticator.authenticate(kept)).client_id == second.client_id


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
async def test_managers_end_what_others_connected(
    role: Role,
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
) -> None:
    manager, person = await someone(role), await someone(Role.VIEWER)
    token = await connect(person.browser, api, client)
    await manager.browser.submit(await disconnect_form(manager, of=person))
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.authenticate(token)


async def test_others_neither_see_nor_end_them(
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
) -> None:
    colleague, person = await someone(Role.OPERATOR), await someone(Role.VIEWER)
    token = await connect(person.browser, api, client)
    assert person.email not in (await colleague.page("/account/apps")).text
    form = await disconnect_form(person, of=person)
    named = {name: value for name, value in form.fields.items() if name != "csrf_token"}
    response = await colleague.post(PATH, **named)
    assert response.status_code == 403
    assert "Only owners and admins" in Page(response.text).text
    await authenticator.authenticate(token)


@pytest.mark.parametrize("named", [{"client": "\0"}, {"client": "a", "host": "\0"}])
async def test_what_is_no_name_of_an_app_ends_nothing(
    named: dict[str, str], someone: MakeSomeone
) -> None:
    person = await someone(Role.VIEWER)
    assert (await person.post(PATH, user=str(person.user.id), **named)).status_code == 200


async def test_a_manager_of_another_tenant_ends_nothing_here(
    someone: MakeSomeone,
    api: httpx2.AsyncClient,
    client: Client,
    authenticator: BearerAuthenticator,
    other_tenant: Tenant,
) -> None:
    person, foreign = await someone(Role.VIEWER), await someone(of=other_tenant)
    token = await connect(person.browser, api, client)
    form = await disconnect_form(person, of=person)
    named = {name: value for name, value in form.fields.items() if name != "csrf_token"}
    assert (await foreign.post(PATH, **named)).status_code == 303
    assert (await foreign.post(PATH, user="x")).status_code == 200
    await authenticator.authenticate(token)
