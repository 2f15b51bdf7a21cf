"""The page of ingest keys: made for one source, shown once with a setup that works, and revoked."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import orjson
import pytest
import pytest_asyncio
import yaml  # type: ignore[import-untyped]
from fastapi import FastAPI

from hub.clock import utc_now
from hub.database import Database
from hub.faults import install_error_handlers
from hub.ingest.foreign import documentation
from hub.ingest.foreign.routes import foreign_routes
from hub.ingest.keys.commands import create_ingest_key
from hub.ingest.keys.models import IngestSource
from hub.ingest.keys.queries import KeyRow, ingest_keys, unknown_hosts_accepted
from hub.settings import Settings
from hub.sla.commands import create_target
from hub.sla.models import SlaIndicator
from hub.tenancy.models import Tenant
from oauth.account.ingest_setup import SOURCE_NAMES
from tests.factories import make_agent, person
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.account.test_hosts import copied
from tests.oauth.browser import Page
from tests.oauth.conftest import API_ORIGIN
from tests.oauth.trail import events_of

PATH = "/account/ingest"


@pytest_asyncio.fixture
async def door(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a tool's view of the hub."""
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(foreign_routes())
    app.state.database = database
    app.state.settings = Settings()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport) as client:
        yield client


async def keys_of(database: Database, tenant: Tenant) -> list[KeyRow]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await ingest_keys(session)


def test_every_source_can_be_chosen() -> None:
    assert set(SOURCE_NAMES) == set(IngestSource)


type Told = tuple[str, str]  # where to, and the header Authorization


def of_variables(parts: list[str]) -> Told:
    """Read the environment as an OpenTelemetry SDK does."""
    variables = dict(line.split("=", 1) for line in parts[0].splitlines())
    name, _, value = variables["OTEL_EXPORTER_OTLP_METRICS_HEADERS"].partition("=")
    assert name == "Authorization"
    return variables["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"], value.replace("%20", " ")


def of_alertmanager(parts: list[str]) -> Told:
    (receiver,) = yaml.safe_load(parts[0])["receivers"]
    (webhook,) = receiver["webhook_configs"]
    return webhook["url"], f"Bearer {webhook['http_config']['authorization']['credentials']}"


def of_falcosidekick(parts: list[str]) -> Told:
    webhook = yaml.safe_load(parts[0])["webhook"]
    return webhook["address"], webhook["customHeaders"]["Authorization"]


def of_wazuh(parts: list[str]) -> Told:
    told = dict(re.findall(r"<(hook_url|api_key)>(.*)</", parts[0]))
    assert parts[1].startswith("#!/bin/sh\n")
    return told["hook_url"], f"Bearer {told['api_key']}"


def of_shell(parts: list[str]) -> Told:
    header = re.search(r"echo 'Authorization: (.*)' > monsys.key", parts[0])
    address = re.search(rf"{API_ORIGIN}[^\s\"]*", parts[0])
    assert header is not None
    assert address is not None
    return address[0].replace("$(hostname)", "web-01"), header[1]


def example(told: Any) -> Any:
    content = told["openapi_extra"]["requestBody"]["content"]
    return content["application/json"]["example"]


def sent_by_shell(parts: list[str]) -> Any:
    """Return the body that stands between the marks of the here-document."""
    text = parts[0].partition("<<END\n")[2].removesuffix("\nEND")
    return orjson.loads(re.sub(r"\$\(date [^)]*\)", "2026-11-22T08:00:00Z", text))


READERS: dict[IngestSource, tuple[Callable[[list[str]], Told], Callable[[list[str]], Any]]] = {
    IngestSource.OTLP: (of_variables, lambda _: example(documentation.METRICS)),
    IngestSource.ALERTMANAGER: (of_alertmanager, lambda _: example(documentation.ALERTMANAGER)),
    IngestSource.FALCO: (of_falcosidekick, lambda _: example(documentation.FALCO)),
    IngestSource.WAZUH: (of_wazuh, lambda _: example(documentation.WAZUH)),
    IngestSource.CYCLONEDX: (of_shell, lambda _: example(documentation.SBOM)),
    IngestSource.SIGNALS: (of_shell, sent_by_shell),
    IngestSource.SERVICE_LEVELS: (of_shell, sent_by_shell),
}


@pytest.mark.parametrize("source", IngestSource)
async def test_what_is_shown_once_delivers(
    source: IngestSource,
    someone: MakeSomeone,
    door: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
) -> None:
    await make_agent(database, tenant, name="web-01")
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_target(
            session,
            tenant_id=tenant.id,
            name="checkout",
            indicator=SlaIndicator.CUSTOM,
            objective=0.99,
        )
    owner = await someone()
    form = (await owner.page(PATH)).form(f"{PATH}/key")
    made = await owner.browser.submit(form, source=source.value, name=" Rotterdam ")
    key, *parts = copied(made)
    assert key.startswith("mik_")
    (stored,) = await keys_of(database, tenant)
    assert (stored.source, stored.name, stored.made_by) == (source, "Rotterdam", owner.email)
    assert key not in (await owner.browser.get(PATH)).text
    read, body_of = READERS[source]
    address, authorization = read(parts)
    assert authorization == f"Bearer {key}"
    delivered = await door.post(
        address, json=body_of(parts), headers={"Authorization": authorization}
    )
    # Known by its key and of the right form: an example's own day may be past, which it is told.
    assert delivered.status_code in {200, 202, 422}, delivered.text
    assert "rejected" in delivered.text or delivered.json() in ({}, {"status": "accepted"})
    (used,) = await keys_of(database, tenant)
    assert used.last_used_at is not None
    text = (await owner.page(PATH)).text
    assert f"Rotterdam Source {SOURCE_NAMES[source]} Made by {owner.email}" in text
    assert f"Last used {used.last_used_at:%Y-%m-%d %H:%M} UTC" in text


async def test_a_revoked_key_opens_nothing(
    someone: MakeSomeone, door: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    owner = await someone()
    fields = {"source": "otlp", "name": "Rotterdam", "default_host": "web-01"}
    key = copied(await owner.post(f"{PATH}/key", **fields))[0]
    page = await owner.page(PATH)
    assert "Host web-01 Made by" in page.text
    response = await owner.browser.submit(page.form(f"{PATH}/key/revoke"))
    assert response.headers["location"] == f"{PATH}?done=revoked"
    after = await owner.page(f"{PATH}?done=revoked")
    assert "The key is revoked: what is sent with it is refused" in after.text
    assert "Rotterdam revoked Source" in after.text
    assert [form for form in after.forms if form.action == f"{PATH}/key/revoke"] == []
    refused = await door.post(
        f"{API_ORIGIN}/v1/metrics", json={}, headers={"Authorization": f"Bearer {key}"}
    )
    assert refused.status_code == 403
    assert [kind for kind, _ in await events_of(database, tenant)] == [
        "signed_in",
        "ingest_key_created",
        "ingest_key_revoked",
    ]


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"source": "syslog"}, "source", "Source: choose one of the list."),
        ({"source": ""}, "source", "Source: choose one of the list."),
        ({"name": "  "}, "name", "Name: say what the key is for."),
        ({"name": "x" * 101}, "name", "Name: at most 100 characters."),
        ({"name": "a\0"}, "name", "Name: it holds characters that are not text."),
        ({"default_host": "web 01"}, "default_host", "Host: 1 to 253 letters, digits"),
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
    typed = {"source": "wazuh", "name": "<Rotterdam>", "default_host": "web-01"} | fields
    response = await owner.post(f"{PATH}/key", **typed)
    assert response.status_code == 400
    page = Page(response.text)
    assert expected in page.text
    form = page.form(f"{PATH}/key")
    assert form.fields["name"] == typed["name"]
    assert form.fields["default_host"] == typed["default_host"]
    assert ('value="wazuh" selected' in response.text) is (typed["source"] == "wazuh")
    marked = re.findall(r'name="([a-z_]+)"[^>]*aria-invalid="true"', response.text)
    assert marked == [field]
    assert await keys_of(database, tenant) == []


async def test_more_keys_than_there_may_be_are_refused(
    someone: MakeSomeone, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.ingest.keys.commands.MAX_KEYS", 1)
    owner = await someone()
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_ingest_key(
            session, by=person(tenant), source=IngestSource.OTLP, name="a", now=utc_now()
        )
    response = await owner.post(f"{PATH}/key", source="otlp", name="b")
    assert response.status_code == 400
    assert "Revoke some first." in Page(response.text).text


async def test_unknown_hosts_become_known_when_somebody_says_so(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    async def accepted() -> bool:
        async with database.transaction(tenant_id=tenant.id) as session:
            return await unknown_hosts_accepted(session, tenant_id=tenant.id)

    owner = await someone()
    form = (await owner.page(PATH)).form(f"{PATH}/unknown-hosts")
    response = await owner.browser.submit(form, accepts="yes")
    assert response.headers["location"] == f"{PATH}?done=hosts"
    assert await accepted() is True
    assert 'name="accepts" value="yes" checked' in (await owner.browser.get(PATH)).text
    await owner.browser.submit(form)
    assert await accepted() is False
    assert [kind for kind, _ in await events_of(database, tenant)] == [
        "signed_in",
        "ingest_settings_changed",
        "ingest_settings_changed",
    ]
