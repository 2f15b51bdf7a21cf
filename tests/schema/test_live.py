"""Live updates: a person who watches hears what changes in their tenant, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
import websockets
from sqlalchemy import text, update
from sqlmodel import col

from hub.alerts.commands import open_alert, resolve_alert
from hub.alerts.models import AlertCategory
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import NewDetection, acknowledge_detection, record_detection
from hub.detections.models import RuleKind
from hub.fleet.commands import touch_agents
from hub.fleet.models import Agent
from hub.live import feed as live_feed
from hub.live.changes import Change, ChangeType, Kind
from hub.live.feed import LiveFeed
from hub.live.watch import MAX_WAITING, LiveEnded, Watch
from hub.principal import Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.tenancy.sessions import end_session, new_session_token, open_session
from hub_schema.operations import operations
from tests.factories import make_agent, make_tenant, make_user, person
from tests.running_hub import RunningHub, serving

PROTOCOL = "graphql-transport-ws"
SOON = 10.0


@pytest_asyncio.fixture(scope="module")
async def hub(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Serve the hub on this worker's database, listening for changes."""
    async with serving(database.url, tmp_path_factory.mktemp("live"), run_jobs=False) as running:
        yield running


class Watcher:
    """A client of the WebSocket, speaking the protocol word by word."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        """Send one message."""
        await self.socket.send(orjson.dumps(message).decode())

    async def hear(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(SOON):
            message: dict[str, Any] = orjson.loads(await self.socket.recv())
        return message

    async def subscribe(self, name: str, **variables: Any) -> Self:
        """Subscribe to a persisted document; what comes next comes from it."""
        document_id = operations("dashboard")[name].document_id
        payload = {"documentId": document_id, "variables": variables}
        await self.say(type="subscribe", id=name, payload=payload)
        await asyncio.sleep(0.2)  # the protocol has no word for "listening now"
        return self

    async def change(self) -> dict[str, Any]:
        """Return what the next change tells."""
        message = await self.hear()
        assert message["type"] == "next", message
        (change,) = message["payload"]["data"].values()
        assert isinstance(change, dict)
        return change

    async def end(self) -> int:
        """Wait for the connection to be closed; return the code."""
        async with asyncio.timeout(SOON):
            await self.socket.wait_closed()
        code = self.socket.close_code
        assert code is not None
        return code


@asynccontextmanager
async def connected(hub: RunningHub, token: str | None, **options: Any) -> AsyncIterator[Watcher]:
    """Connect as a page of the hub does."""
    headers = {"Cookie": f"monsys_session={token}"} if token else {}
    url = hub.origin.replace("http", "ws", 1) + "/graphql"
    settings: dict[str, Any] = {"subprotocols": [PROTOCOL], "additional_headers": headers}
    async with websockets.connect(url, proxy=None, **(settings | options)) as socket:
        yield Watcher(socket)


@asynccontextmanager
async def watching(
    hub: RunningHub, database: Database, tenant: Tenant, role: Role = Role.VIEWER
) -> AsyncIterator[tuple[Watcher, str]]:
    """Sign a member in, and open the protocol."""
    token = await signed_in(database, tenant, role)
    async with connected(hub, token) as watcher:
        await watcher.say(type="connection_init")
        assert await watcher.hear() == {"type": "connection_ack"}
        yield watcher, token


async def signed_in(database: Database, tenant: Tenant, role: Role) -> str:
    """Return the cookie of a new member of the tenant."""
    user, token = await make_user(database, tenant, role=role), new_session_token()
    async with database.transaction() as session:
        await open_session(
            session,
            token=token,
            tenant_id=tenant.id,
            user_id=user.id,
            email=user.email,
            lifetime=timedelta(hours=1),
        )
    return token


async def open_one(database: Database, tenant: Tenant, fingerprint: str, **options: Any) -> None:
    """Open an alert."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await open_alert(
            session,
            tenant_id=tenant.id,
            fingerprint=fingerprint,
            category=AlertCategory.CAPACITY,
            title=fingerprint,
            severity=options.pop("severity", Severity.HIGH),
            **options,
        )


async def test_an_alert_is_told_when_it_opens_and_when_it_is_over(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        await open_one(database, tenant, "disk", agent_id=agent.id)
        opened = await watcher.change()
        async with database.transaction(tenant_id=tenant.id) as session:
            await resolve_alert(session, tenant_id=tenant.id, fingerprint="disk", at=utc_now())
        resolved = await watcher.change()
    assert (opened["change"], opened["alert"]["title"], opened["alert"]["agentName"]) == (
        "opened",
        "disk",
        "web-1",
    )
    assert (resolved["change"], resolved["alert"]["id"]) == ("resolved", opened["alert"]["id"])
    assert resolved["alert"]["state"] == "resolved"


async def test_what_is_rolled_back_is_never_told(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        with pytest.raises(RuntimeError, match="changed my mind"):
            await _open_and_fail(database, tenant)
        await open_one(database, tenant, "kept")
        assert (await watcher.change())["alert"]["title"] == "kept"


async def _open_and_fail(database: Database, tenant: Tenant) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await open_alert(
            session,
            tenant_id=tenant.id,
            fingerprint="gone",
            category=AlertCategory.CAPACITY,
            title="gone",
            severity=Severity.HIGH,
        )
        raise RuntimeError("changed my mind")


async def test_another_tenants_changes_are_not_heard(
    hub: RunningHub, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        await open_one(database, other_tenant, "theirs")
        await open_one(database, tenant, "ours")
        assert (await watcher.change())["alert"]["title"] == "ours"


async def test_a_forged_notification_shows_nothing_of_another_tenant(
    hub: RunningHub, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    """Even a notification that names the wrong tenant is read under row-level security."""
    await open_one(database, other_tenant, "theirs")
    async with database.transaction(tenant_id=other_tenant.id) as session:
        theirs = await session.scalar(text("SELECT id FROM alerts"))
    forged = {"tenant": str(tenant.id), "kind": "alert", "id": str(theirs), "change": "opened"}
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes")
        async with database.transaction() as session:
            await session.execute(
                text("SELECT pg_notify('monsys_live', :told)"),
                {"told": orjson.dumps(forged).decode()},
            )
        await open_one(database, tenant, "ours")
        assert (await watcher.change())["alert"]["title"] == "ours"


async def test_filters_hold_for_changes_as_for_lists(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    one = await make_agent(database, tenant, name="one")
    two = await make_agent(database, tenant, name="two")
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_alert_changes", agent="two", severity="critical")
        await open_one(database, tenant, "a", agent_id=one.id, severity=Severity.CRITICAL)
        await open_one(database, tenant, "b", agent_id=two.id, severity=Severity.LOW)
        await open_one(database, tenant, "c", agent_id=two.id, severity=Severity.CRITICAL)
        assert (await watcher.change())["alert"]["title"] == "c"


async def test_a_detection_is_told_from_its_first_event_to_the_person_who_takes_it(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    now = utc_now()
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_detection_changes")
        async with database.transaction(tenant_id=tenant.id) as session:
            recorded = await record_detection(
                session,
                tenant_id=tenant.id,
                detection=NewDetection(
                    agent_id=agent.id,
                    rule_kind=RuleKind.HONEYPOT_CANARY,
                    title="Somebody read the bait",
                    first_seen_at=now,
                    last_seen_at=now,
                ),
            )
        opened = await watcher.change()
        async with database.transaction(tenant_id=tenant.id) as session:
            await acknowledge_detection(
                session, principal=person(tenant), number=recorded.number, now=now
            )
        taken = await watcher.change()
    assert (opened["change"], opened["detection"]["number"]) == ("opened", recorded.number)
    assert (taken["change"], taken["detection"]["state"]) == ("acknowledged", "acknowledged")


async def test_an_agent_is_told_when_it_falls_silent_and_when_it_is_back(
    hub: RunningHub, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "_LOOK_FOR_SILENCE_EVERY", timedelta(milliseconds=100))
    agent = await make_agent(database, tenant, name="web-1")
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_agent_changes")
        await asyncio.sleep(0.2)
        almost = utc_now() - timedelta(seconds=89)
        async with database.transaction(tenant_id=tenant.id) as session:
            statement = update(Agent).where(col(Agent.id) == agent.id)
            await session.execute(statement.values(last_seen_at=almost))
        first = await watcher.change()
        silent = await watcher.change()
        async with database.transaction(tenant_id=tenant.id) as session:
            ids = [agent.id]
            await touch_agents(session, tenant_id=tenant.id, agent_ids=ids, at=utc_now())
        back = await watcher.change()
    assert [one["change"] for one in (first, silent, back)] == ["online", "offline", "online"]
    assert [one["agent"]["status"] for one in (silent, back)] == ["offline", "online"]


async def test_a_report_of_an_agent_that_is_online_tells_nothing(
    hub: RunningHub, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1", last_seen_at=utc_now())
    async with watching(hub, database, tenant) as (watcher, _):
        await watcher.subscribe("dashboard_agent_changes")
        async with database.transaction(tenant_id=tenant.id) as session:
            ids = [agent.id]
            await touch_agents(session, tenant_id=tenant.id, agent_ids=ids, at=utc_now())
        await make_agent(database, tenant, name="web-2")
        assert (await watcher.change())["agent"]["name"] == "web-2"


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


async def test_the_feed_ends_its_watches_when_the_database_drops_it(database: Database) -> None:
    tenant = await make_tenant(database)
    async with LiveFeed(database) as feed:
        await asyncio.wait_for(feed.is_listening.wait(), SOON)
        with feed.watch(tenant.id, Kind.ALERT) as watch:
            async with database.transaction() as session:
                await session.execute(
                    text(
                        # The newest one: other hubs of this database listen as well.
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'monsys-live' AND datname = current_database()"
                        " ORDER BY backend_start DESC LIMIT 1"
                    )
                )
            with pytest.raises(LiveEnded, match="interrupted"):
                await asyncio.wait_for(anext(aiter(watch)), SOON)
        await asyncio.wait_for(feed.is_listening.wait(), SOON)


async def test_a_watch_keeps_the_last_word_about_each_subject() -> None:
    tenant_id, one, two = uuid4(), uuid4(), uuid4()
    watch = Watch(tenant_id, Kind.ALERT)
    for subject, type_ in (
        (one, ChangeType.OPENED),
        (two, ChangeType.OPENED),
        (one, ChangeType.RESOLVED),
    ):
        watch.tell(Change(tenant_id, Kind.ALERT, subject, type_))
    changes = aiter(watch)
    heard = [await anext(changes), await anext(changes)]
    assert [(one.id, one.type) for one in heard] == [
        (two, ChangeType.OPENED),
        (one, ChangeType.RESOLVED),
    ]


async def test_a_watch_that_does_not_keep_up_is_ended() -> None:
    tenant_id = uuid4()
    watch = Watch(tenant_id, Kind.ALERT)
    for _ in range(MAX_WAITING + 1):
        watch.tell(Change(tenant_id, Kind.ALERT, uuid4(), ChangeType.OPENED))
    with pytest.raises(LiveEnded, match="Reload"):
        await anext(aiter(watch))
