"""The WebSocket of live updates: who may connect, and what runs there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import websockets

from hub.database import Database
from hub.principal import Role
from hub.tenancy.models import Tenant
from hub.tenancy.sessions import end_session
from hub_schema.operations import operations
from tests.running_hub import RunningHub, serving
from tests.schema.live_client import connected, open_one, signed_in, watching


@pytest_asyncio.fixture(scope="module")
async def hub(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Serve the hub on this worker's database, listening for changes."""
    async with serving(database.url, tmp_path_factory.mktemp("live"), run_jobs=False) as running:
        yield running


@pytest.mark.slow
async def test_who_signs_out_hears_nothing_more(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    async with watching(hub, database, tenant) as (watcher, token):
        await watcher.subscribe("dashboard_alert_changes")
        async with database.transaction() as session:
            await end_session(session, token=token)
        await asyncio.sleep(1.1)  # how long a check is trusted
        await open_one(database, tenant, "secret")
        assert await watcher.end() == 4401


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({}, "nonsense"),
        ({"Origin": "https://evil.example"}, "valid"),
        ({"Origin": "null"}, "valid"),
    ],
)
async def test_the_handshake_is_refused_without_a_sign_in_or_from_another_site(
    hub: RunningHub,
    database: Database,
    tenant: Tenant,
    headers: dict[str, str],
    token: str | None,
) -> None:
    cookie = await signed_in(database, tenant, Role.OWNER) if token == "valid" else token
    extra = headers | ({"Cookie": f"monsys_session={cookie}"} if cookie else {})
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connected(hub, None, additional_headers=extra):
            pass
    assert refused.value.response.status_code == 403


async def test_our_own_pages_connect(hub: RunningHub, database: Database, tenant: Tenant) -> None:
    cookie = await signed_in(database, tenant, Role.VIEWER)
    headers = {"Cookie": f"monsys_session={cookie}", "Origin": hub.app_origin}
    async with connected(hub, None, additional_headers=headers) as watcher:
        await watcher.say(type="connection_init")
        assert await watcher.hear() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "subscription { alertChanges { change } }"}, "FORBIDDEN"),
        ({"documentId": "sha256:0"}, None),
        ({}, None),
        ({"documentId": "sha256:0", "query": "subscription { alertChanges { change } }"}, None),
    ],
)
async def test_a_viewer_runs_persisted_documents_only(
    hub: RunningHub, database: Database, tenant: Tenant, payload: dict[str, Any], code: str | None
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.say(type="subscribe", id="1", payload=payload)
        message = await watcher.hear()
    assert (message["type"], message["id"]) == ("error", "1")
    [error] = message["payload"]
    assert error.get("extensions", {}).get("code") == code


@pytest.mark.parametrize(
    "query",
    ["{ viewer { email } }", 'mutation { acknowledgeDetection(input: {id: "1"}) { number } }'],
)
async def test_the_socket_runs_no_queries_and_no_mutations(
    hub: RunningHub, database: Database, tenant: Tenant, query: str
) -> None:
    async with watching(hub, database, tenant, Role.OWNER) as (watcher, _):
        await watcher.say(type="subscribe", id="1", payload={"query": query})
        assert (await watcher.hear())["type"] == "error"


async def test_an_explorer_writes_a_subscription_of_their_own(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    query = "subscription Mine { alertChanges { change alert { title } } }"
    async with watching(hub, database, tenant, Role.ANALYST) as (watcher, _):
        await watcher.say(type="subscribe", id="1", payload={"query": query})
        await asyncio.sleep(0.2)
        await open_one(database, tenant, "disk")
        assert await watcher.change() == {"change": "opened", "alert": {"title": "disk"}}
        await watcher.say(type="complete", id="1")


async def test_a_socket_has_a_bounded_number_of_subscriptions(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    document_id = operations("dashboard")["dashboard_agent_changes"].document_id
    async with watching(hub, database, tenant) as (watcher, _):
        for number in range(21):
            payload = {"documentId": document_id}
            await watcher.say(type="subscribe", id=str(number), payload=payload)
        message = await watcher.hear()
    assert (message["type"], message["id"]) == ("error", "20")


async def test_an_unknown_agent_is_named_as_such(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes", agent="nobody")
        message = await watcher.hear()
    [error] = message["payload"]
    assert (message["type"], error["extensions"]["code"]) == ("error", "NOT_FOUND")


async def test_post_tells_where_subscriptions_go(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    token = await signed_in(database, tenant, Role.OWNER)
    answer = await hub.http.post(
        f"{hub.origin}/graphql",
        json={"query": "subscription { alertChanges { change } }"},
        headers={"Cookie": f"monsys_session={token}"},
    )
    assert "WebSocket" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("said", ["[]", "1", "{}", '{"type": 1}', '{"type": "dance"}', "[" * 5_000])
async def test_what_is_no_message_ends_the_connection_and_nothing_else(
    hub: RunningHub, database: Database, tenant: Tenant, said: str
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.socket.send(said)
        assert await watcher.end() == 4400
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        await open_one(database, tenant, "disk")
        assert (await watcher.change())["alert"]["title"] == "disk"
