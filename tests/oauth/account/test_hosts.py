"""The page of hosts: who reports, the plan, and a token with which a machine really enrols."""

import html
import re
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
import pytest_asyncio
import typer
from fastapi import FastAPI

from hub.cli.agent import app as agent_commands
from hub.clock import utc_now
from hub.database import Database
from hub.faults import install_error_handlers
from hub.fleet.models import Agent
from hub.ingest.routes import ingest_routes
from hub.settings import Settings
from hub.tenancy.models import Tenant
from oauth.account.host_routes import HOSTS_A_PAGE, enrol_command
from tests.factories import make_agent, make_tenant
from tests.hub.test_enrolment import Box, servers
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.browser import Page
from tests.oauth.conftest import API_ORIGIN
from tests.oauth.trail import events_of

PATH = "/account/hosts"
FULL = "The free plan covers 5 servers, and 5 are enrolled. Whoever runs this hub can raise the"


@pytest_asyncio.fixture
async def door(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a machine's view of the hub."""
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(ingest_routes())
    app.state.database = database
    app.state.settings = Settings()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as client:
        yield client


def copied(response: httpx2.Response) -> list[str]:
    """Return what the page has to be copied."""
    assert response.status_code == 200, response.text
    found = re.findall(r'<pre class="copy"><code>(.*?)</code></pre>', response.text, re.DOTALL)
    return [html.unescape(one) for one in found]


async def test_a_machine_enrols_with_the_command_that_is_shown_once(
    someone: MakeSomeone, door: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    form = (await owner.page(PATH)).form(f"{PATH}/token")
    made = await owner.browser.submit(form, tags="env:production, team:web", minutes="15")
    command, token = copied(made)
    assert command == enrol_command(API_ORIGIN, token)
    assert token.startswith("met_")
    assert made.headers["cache-control"] == "no-store"
    # The command line is one that the agent's program takes.
    words = shlex.split(command)
    group = typer.main.get_command(agent_commands)
    assert isinstance(group, typer.core.TyperGroup)
    context = group.commands["enroll"].make_context("enroll", words[3:])
    assert words[:3] == ["monsys", "agent", "enroll"]
    assert (context.params["url"], context.params["token"]) == (API_ORIGIN, token)
    # It is listed, but not shown again.
    again = await owner.browser.get(PATH)
    assert token not in again.text
    assert "for any machine env:production team:web" in Page(again.text).text
    assert (await Box("web-07").enrol(door, token)).status_code == 201
    assert set(await servers(database, tenant)) == {"web-07"}
    after = (await owner.page(PATH)).text
    assert "1 of 5 servers of your plan." in after
    assert "Servers web-07 has not reported yet" in after
    assert "Tokens that nobody used yet" not in after
    assert [kind for kind, _ in await events_of(database, tenant)][:2] == [
        "signed_in",
        "enrolment_token_made",
    ]


async def test_a_token_for_one_server_is_good_for_that_one(
    someone: MakeSomeone, door: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    made = await owner.post(f"{PATH}/token", name=" db-01 ", minutes="60")
    assert "It lets one machine enrol as db-01, once." in Page(made.text).text
    assert (await Box("something").enrol(door, copied(made)[1])).status_code == 201
    assert set(await servers(database, tenant)) == {"db-01"}


async def test_a_withdrawn_token_enrols_nothing(
    someone: MakeSomeone, door: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    token = copied(await owner.post(f"{PATH}/token", name="web-01"))[1]
    form = (await owner.page(PATH)).form(f"{PATH}/token/withdraw")
    response = await owner.browser.submit(form)
    assert response.headers["location"] == f"{PATH}?done=withdrawn"
    assert "The token is withdrawn" in (await owner.page(f"{PATH}?done=withdrawn")).text
    assert (await Box().enrol(door, token)).status_code == 401
    assert await servers(database, tenant) == {}
    assert (await owner.browser.submit(form)).status_code == 400


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"minutes": "0"}, "minutes", "Good for: say 1 to 10080 minutes"),
        ({"minutes": "10081"}, "minutes", "Good for: say 1 to 10080 minutes"),
        ({"minutes": "1e3"}, "minutes", "Good for: say 1 to 10080 minutes"),
        ({"minutes": "٣"}, "minutes", "Good for: say 1 to 10080 minutes"),
        ({"minutes": "9" * 400}, "minutes", "Good for: say 1 to 10080 minutes"),
        ({"name": "-web"}, "name", "Server: 1 to 253 letters, digits"),
        ({"name": "a b\0"}, "name", "Server: 1 to 253 letters, digits"),
        ({"tags": "production"}, "tags", "Tags: at most 50 of the form key:value"),
        ({"tags": "a:b, c:d, <x>"}, "tags", "Tags: at most 50 of the form key:value"),
    ],
)
async def test_what_is_wrong_is_named_and_what_was_typed_is_kept(
    fields: dict[str, str],
    field: str,
    expected: str,
    someone: MakeSomeone,
    database: Database,
    tenant: Tenant,
) -> None:
    owner = await someone()
    typed = {"name": "web-01", "tags": "env:test", "minutes": "30"} | fields
    response = await owner.post(f"{PATH}/token", **typed)
    assert response.status_code == 400
    page = Page(response.text)
    assert expected in page.text
    form = page.form(f"{PATH}/token")
    assert {name: form.fields[name] for name in typed} == typed
    (marked,) = re.findall(r'<input id="([a-z]+)"[^>]*aria-invalid="true"', response.text)
    assert marked == field
    assert [kind for kind, _ in await events_of(database, tenant)] == ["signed_in"]


@pytest_asyncio.fixture
async def full(database: Database) -> Tenant:
    tenant = await make_tenant(database)
    for number in range(5):
        await make_agent(database, tenant, name=f"web-0{number}")
    return tenant


async def test_a_full_plan_says_so_as_enrolling_does(
    full: Tenant, someone: MakeSomeone, door: httpx2.AsyncClient
) -> None:
    owner = await someone(of=full)
    page = await owner.page(PATH)
    assert "5 of 5 servers of your plan." in page.text
    assert FULL in page.text
    made = await owner.post(f"{PATH}/token")
    assert FULL in Page(made.text).text
    refused = await Box("new-01").enrol(door, copied(made)[1])
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] in page.text
    owner.browser.http.headers["Accept-Language"] = "de"
    assert (
        "Der Tarif free umfasst 5 Server, und 5 sind aufgenommen." in (await owner.page(PATH)).text
    )


async def test_a_retired_server_frees_its_place(
    full: Tenant, someone: MakeSomeone, database: Database
) -> None:
    owner = await someone(of=full)
    page = await owner.page(PATH)
    response = await owner.browser.submit(page.form(f"{PATH}/retire"))
    assert response.headers["location"] == f"{PATH}?done=retired"
    after = (await owner.page(PATH)).text
    assert "4 of 5 servers of your plan." in after
    assert FULL not in after
    assert "web-04" not in after
    assert set(await servers(database, full)) == {"web-00", "web-01", "web-02", "web-03"}
    assert ("agent_retired", "success") in await events_of(database, full)


async def test_each_server_is_told_with_its_system_and_state(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner, now = await someone(), utc_now()
    await make_agent(database, tenant, name="a", os_name="Debian <13>", last_seen_at=now)
    seen = now - timedelta(hours=1)
    await make_agent(database, tenant, name="b", last_seen_at=seen, is_enrolled=False)
    text = (await owner.page(PATH)).text
    assert f"a online System Debian <13> Last seen {now:%Y-%m-%d %H:%M} UTC" in text
    assert (
        "b offline known through other tools only System unknown"
        f" Last seen {seen:%Y-%m-%d %H:%M} UTC" in text
    )


async def test_every_server_of_a_large_fleet_is_listed_once(
    someone: MakeSomeone, database: Database
) -> None:
    tenant = await make_tenant(database, server_limit=500)
    number = 2 * HOSTS_A_PAGE + 3
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add_all(Agent(tenant_id=tenant.id, name=f"web-{n:03}") for n in range(number))
    owner = await someone(of=tenant)
    listed, pages, link = list[str](), 0, PATH
    while link:
        text = (await owner.browser.get(link)).text
        listed += re.findall(r"<strong>(web-\d+)</strong>", text)
        more = re.search(rf'href="({PATH}\?after=[^"]+)"', text)
        pages, link = pages + 1, more[1] if more else ""
    assert pages == 3
    assert listed == [f"web-{n:03}" for n in range(number)]


def test_an_agent_of_a_hub_in_the_clear_is_told_so() -> None:
    assert enrol_command("http://hub.lan:8000", "met_x") == (
        "monsys agent enroll --url http://hub.lan:8000 --token met_x --install-service"
        " --allow-plain-http"
    )


async def test_the_list_takes_a_fixed_number_of_statements(
    full: Tenant, someone: MakeSomeone, statements: list[str]
) -> None:
    owner: Someone = await someone(of=full)
    statements.clear()
    await owner.page(PATH)
    about_hosts = [one for one in statements if "agents" in one or "enrolment_tokens" in one]
    assert len(about_hosts) == 4
