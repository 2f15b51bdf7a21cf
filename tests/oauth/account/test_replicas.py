"""Two hubs on one database: what one of them ends has ended in the other with the next call."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import update
from sqlmodel import col

from hub.audit.writer import AuditWriter
from hub.clock import utc_now
from hub.database import Database
from hub.principal import Role
from hub.secret_box import SecretBox
from hub.secret_keys import kept_ring, new_key, rotate_kept_key
from hub.settings import Settings
from hub.tenancy.models import Tenant
from mcp_adapter.server import build_mcp
from oauth.bearer import BearerAuthenticator
from oauth.commands import USED_CLIENTS_KEPT
from oauth.models import OAuthClient
from oauth.pruning import prune_oauth
from tests.factories import make_tenant
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import API_ORIGIN, APP_ORIGIN, make_app
from tests.oauth.flow import (
    PASSWORD,
    RESOURCE,
    REVOKE,
    TOKEN,
    Client,
    authorize,
    consent_form,
    register,
)

# The least that a token is good for: it is checked like any other, and answered with 202.
CALL = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def hub(settings: Settings, database: Database) -> FastAPI:
    """Return a hub of its own: nothing in memory is shared with another."""
    app = make_app(settings, database)
    authenticator = BearerAuthenticator(database, settings)
    mcp = build_mcp(settings, database, authenticator, AuditWriter(database))
    app.router.routes.extend(mcp.routes)
    return app


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Settings:
    """Return settings with a data folder, and so a key, of this module's own."""
    folder: Path = tmp_path_factory.mktemp("replicas")
    return settings.model_copy(update={"data_dir": folder})


@pytest.fixture(scope="module")
def box(settings: Settings) -> SecretBox:
    return SecretBox.load(settings)


@pytest_asyncio.fixture(scope="module")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """Return the first hub, which is where people do things."""
    own = Database(database.url, pool_size=4)
    yield hub(settings, own)
    await own.close()


@pytest_asyncio.fixture(scope="module")
async def other(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """Return the second hub, which is told nothing."""
    own = Database(database.url, pool_size=4)
    yield hub(settings, own)
    await own.close()


@pytest_asyncio.fixture
async def elsewhere(other: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client program that reaches the second hub."""
    transport = httpx2.ASGITransport(other)
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        yield http


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, stay_connected=True)


@dataclass
class Connection:
    """Somebody's app, and what it was given."""

    person: Someone
    client: Client
    access_token: str
    refresh_token: str

    async def call(self, http: httpx2.AsyncClient) -> int:
        headers = {
            "Authorization": f"Bearer {self.access_token}",
            "Accept": "application/json, text/event-stream",
        }
        return (await http.post("/mcp", json=CALL, headers=headers)).status_code

    async def refresh(self, http: httpx2.AsyncClient) -> str:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_id": self.client.client_id,
            "resource": RESOURCE,
        }
        return str((await http.post(TOKEN, data=form)).json().get("error", "refreshed"))


@pytest_asyncio.fixture
async def connection(
    someone: MakeSomeone, api: httpx2.AsyncClient, elsewhere: httpx2.AsyncClient
) -> Connection:
    """Return a connection made at the first hub, whose token the second one has taken before."""
    person = await someone(Role.OWNER, totp=True)
    await someone(Role.OWNER)  # so that the first may leave
    client = await register(api)
    code = await authorize(person.browser, client)
    answer = (await api.post(TOKEN, data=client.token_form(code))).json()
    connection = Connection(person, client, answer["access_token"], answer["refresh_token"])
    assert await connection.call(elsewhere) == 202
    return connection


async def revoke(connection: Connection, api: httpx2.AsyncClient) -> None:
    form = {"token": connection.access_token, "client_id": connection.client.client_id}
    assert (await api.post(REVOKE, data=form)).status_code == 200


async def disconnect(connection: Connection, _api: httpx2.AsyncClient) -> None:
    page = await connection.person.page("/account/apps")
    response = await connection.person.browser.submit(page.form("/account/apps/revoke"))
    assert response.headers["location"] == "/account/apps?done=revoked"


async def leave(connection: Connection, _api: httpx2.AsyncClient) -> None:
    person = connection.person
    fields = {"member": str(person.user.id), "code": person.code()}
    response = await person.post("/account/members/remove", **fields)
    assert response.headers["location"] == "/sign-in?note=left"


async def switch_off(connection: Connection, _api: httpx2.AsyncClient) -> None:
    response = await connection.person.post("/account/connector", stay_connected_days="30")
    assert response.status_code == 303


@pytest.mark.parametrize(
    ("end", "status"),
    [(revoke, 401), (disconnect, 401), (leave, 401), (switch_off, 403)],
    ids=["revoked by the client", "disconnected", "left", "switched off"],
)
async def test_what_is_ended_at_one_hub_is_over_at_the_other(
    end: object,
    status: int,
    connection: Connection,
    api: httpx2.AsyncClient,
    elsewhere: httpx2.AsyncClient,
) -> None:
    await end(connection, api)  # type: ignore[operator]
    assert await connection.call(elsewhere) == status
    assert await connection.refresh(elsewhere) == "invalid_grant"


async def test_a_code_is_good_at_either_hub_and_once_for_both(
    connection: Connection, api: httpx2.AsyncClient, elsewhere: httpx2.AsyncClient
) -> None:
    client = connection.client
    form = client.token_form(await authorize(connection.person.browser, client))
    given = (await elsewhere.post(TOKEN, data=form)).json()
    taken = replace(connection, access_token=given["access_token"])
    assert await taken.call(api) == 202
    assert (await api.post(TOKEN, data=form)).json()["error"] == "invalid_grant"
    assert await taken.call(elsewhere) == 401


async def test_a_client_that_was_removed_is_unknown_to_both(
    connection: Connection, database: Database, app: FastAPI, elsewhere: httpx2.AsyncClient
) -> None:
    client_id = connection.client.client_id
    async with database.transaction(presented=client_id) as session:
        await session.execute(
            update(OAuthClient)
            .where(col(OAuthClient.client_id) == client_id)
            .values(last_used_at=utc_now() - 2 * USED_CLIENTS_KEPT)
        )
    await prune_oauth(app.state.database)
    assert await connection.refresh(elsewhere) == "invalid_client"


async def test_sign_ins_end_at_both(someone: MakeSomeone, other: FastAPI) -> None:
    person = await someone()
    async with Browser(other, APP_ORIGIN) as browser:
        browser.http.cookies.update(person.browser.http.cookies)
        assert (await browser.get("/account/security")).status_code == 200
        await person.post("/account/sign-out-everywhere")
        assert (await browser.get("/account/security")).status_code == 303


async def test_guesses_are_counted_together(someone: MakeSomeone, other: FastAPI) -> None:
    person = await someone()
    address = "2001:db8:bbbb::1"
    async with (
        Browser(person.browser.http._transport.app, APP_ORIGIN, address=address) as here,  # type: ignore[attr-defined]
        Browser(other, APP_ORIGIN, address=address) as there,
    ):
        statuses = [
            (await browser.sign_in(person.email, "wrong")).status_code
            for browser in (here, there, here, there, here, there, here, there)
        ]
    assert statuses == [400] * 6 + [429] * 2


async def test_a_key_rotated_at_one_hub_is_honoured_at_the_other(
    someone: MakeSomeone, settings: Settings, app: FastAPI, other: FastAPI
) -> None:
    """Without a restart, in both directions, and nobody is signed out."""
    person = await someone(totp=True)
    client = await register_at(app)
    before = await consent_form(person.browser, client)
    former = kept_ring(settings).current
    rotated = rotate_kept_key(settings)
    assert rotated.current != former
    app.state.oauth.secret_box._refresh()  # the first hub has noticed, the second has not
    boxes = [hub.state.oauth.secret_box for hub in (app, other)]
    assert [box.key_id for box in boxes] == [rotated.current.id.hex(), former.id.hex()]
    async with Browser(other, APP_ORIGIN) as browser:
        browser.http.cookies.update(person.browser.http.cookies)
        # A form made under the new key, sent to the hub that still has to notice.
        after = await consent_form(person.browser, client)
        assert after.fields["csrf_token"] != before.fields["csrf_token"]
        for form in (after, before):
            response = await browser.submit(form, decision="deny")
            assert "error=access_denied" in response.headers["location"]
        assert boxes[1].key_id == rotated.current.id.hex()
    # The second factor was sealed under the former key, and the half-way form under either.
    async with Browser(app, APP_ORIGIN) as here, Browser(other, APP_ORIGIN) as there:
        step = Page((await here.sign_in(person.email, PASSWORD)).text).form("/sign-in/code")
        there.http.cookies.update(here.http.cookies)
        assert (await there.submit(step, code=person.code())).status_code == 303


async def test_configured_keys_are_swapped_in_two_rolls_without_a_gap(tmp_path: Path) -> None:
    """As `monsys keys rotate` says: first every replica honours the new key, then they swap."""
    old, new = new_key(), new_key()

    def replica(current: str, *former: str) -> SecretBox:
        return SecretBox.load(
            Settings(data_dir=tmp_path, secret_key=current, former_secret_keys=former)
        )

    first_roll = [(replica(old), replica(old, new)), (replica(old, new), replica(old, new))]
    second_roll = [(replica(old, new), replica(new, old)), (replica(new, old), replica(new, old))]
    for one, another in first_roll + second_roll:
        for made, shown in ((one, another), (another, one)):
            assert shown.verify(made.mac("m", purpose="p"), "m", purpose="p")
            assert shown.open(made.seal(b"s", purpose="p"), purpose="p") == b"s"


async def register_at(app: FastAPI) -> Client:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        return await register(http)
