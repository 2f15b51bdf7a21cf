"""Alertmanager: each alert's own status, each period once, in whatever order it arrives."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent
from hub.ingest.keys.models import IngestSource
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import make_agent
from tests.hub.ingest.conftest import Send

NEVER = "0001-01-01T00:00:00Z"


def ago(minutes: float) -> str:
    return (utc_now() - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "DiskAlmostFull", "instance": "web-01:9100", "severity": "page"},
        "annotations": {"summary": "Disk is almost full", "description": "97 %\nof /srv"},
        "startsAt": ago(10),
        "endsAt": NEVER,
        "generatorURL": "",
        "fingerprint": "00d1c5b6a7988f01",
    } | changes


def group(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"version": "4", "status": "firing", "alerts": list(alerts)} | changes


async def stored(database: Database, tenant: Tenant) -> list[Alert]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(Alert).order_by(col(Alert.opened_at)))
        return list(rows)


async def test_a_firing_alert_opens_one_of_ours(
    send: Send, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-01")
    response = await send(IngestSource.ALERTMANAGER, group(alert()))

    assert (response.status_code, response.json()) == (
        202,
        {
            "status": "accepted",
            "accepted": 1,
            "unchanged": 0,
            "rejected_count": 0,
            "rejected": [],
            "notes": [],
        },
    )
    (one,) = await stored(database, tenant)
    assert (one.title, one.description, one.severity, one.category, one.source) == (
        "Disk is almost full",
        "97 %\nof /srv",
        Severity.CRITICAL,
        AlertCategory.CAPACITY,
        "alertmanager",
    )
    assert (one.agent_id, one.state) == (agent.id, AlertState.OPEN)


async def test_a_group_that_fires_may_hold_an_alert_that_is_over(
    send: Send, database: Database, tenant: Tenant
) -> None:
    other = {"labels": {"alertname": "Slow"}, "fingerprint": "00d1c5b6a7988f02"}
    first = alert()
    await send(IngestSource.ALERTMANAGER, group(first, alert(**other)))
    over = first | {"status": "resolved", "endsAt": ago(1)}
    response = await send(IngestSource.ALERTMANAGER, group(over))

    assert response.json()["accepted"] == 1
    states = [one.state for one in await stored(database, tenant)]
    assert sorted(states) == [AlertState.OPEN, AlertState.RESOLVED]


async def test_a_payload_sent_again_changes_nothing(
    send: Send, database: Database, tenant: Tenant
) -> None:
    payload = group(alert(), alert(status="resolved", endsAt=ago(2), fingerprint="ff"))
    await send(IngestSource.ALERTMANAGER, payload)
    before = [one.model_dump() for one in await stored(database, tenant)]
    again = await send(IngestSource.ALERTMANAGER, payload)

    assert (again.json()["accepted"], again.json()["unchanged"]) == (0, 2)
    assert [one.model_dump() for one in await stored(database, tenant)] == before


async def test_resolved_before_firing_becomes_an_alert_that_is_over(
    send: Send, database: Database, tenant: Tenant
) -> None:
    firing = alert()
    await send(IngestSource.ALERTMANAGER, group(firing | {"status": "resolved", "endsAt": ago(3)}))
    late = await send(IngestSource.ALERTMANAGER, group(firing))

    assert late.json()["unchanged"] == 1
    (one,) = await stored(database, tenant)
    assert one.state is AlertState.RESOLVED


async def test_a_late_end_of_an_old_period_leaves_the_new_one_open(
    send: Send, database: Database, tenant: Tenant
) -> None:
    old, new = alert(startsAt=ago(60)), alert(startsAt=ago(5))
    await send(IngestSource.ALERTMANAGER, group(old))
    await send(IngestSource.ALERTMANAGER, group(new))
    await send(IngestSource.ALERTMANAGER, group(old | {"status": "resolved", "endsAt": ago(20)}))
    assert [one.state for one in await stored(database, tenant)] == [AlertState.OPEN]
    await send(IngestSource.ALERTMANAGER, group(new | {"status": "resolved", "endsAt": ago(1)}))
    assert [one.state for one in await stored(database, tenant)] == [AlertState.RESOLVED]


async def test_an_alert_that_was_closed_here_is_not_opened_by_a_repetition(
    send: Send, database: Database, tenant: Tenant
) -> None:
    payload = group(alert())
    await send(IngestSource.ALERTMANAGER, payload)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(Alert).values(state=AlertState.RESOLVED, resolved_at=utc_now())
        )
    await send(IngestSource.ALERTMANAGER, payload)
    assert [one.state for one in await stored(database, tenant)] == [AlertState.RESOLVED]


async def test_older_payloads_have_neither_status_nor_fingerprint(
    send: Send, database: Database, tenant: Tenant
) -> None:
    old = alert()
    for field in ("status", "fingerprint"):
        old.pop(field)
    payload = group(old)
    reordered = group(old | {"labels": dict(reversed(old["labels"].items()))})
    assert (await send(IngestSource.ALERTMANAGER, payload)).json()["accepted"] == 1
    assert (await send(IngestSource.ALERTMANAGER, reordered)).json()["unchanged"] == 1
    over = group(old | {"endsAt": ago(1)})
    assert (await send(IngestSource.ALERTMANAGER, over)).json()["accepted"] == 1
    assert [one.state for one in await stored(database, tenant)] == [AlertState.RESOLVED]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"labels": None}, "labels"),
        ({"labels": {"a": 1}}, "labels"),
        ({"startsAt": "yesterday"}, "startsAt"),
        ({"startsAt": "2026-11-03T08:00:00"}, "startsAt"),
        ({"startsAt": "2999-01-01T00:00:00Z"}, "startsAt"),
        ({"status": "perhaps"}, "status"),
    ],
)
async def test_a_wrong_alert_is_refused_alone(
    changes: dict[str, Any], field: str, send: Send, database: Database, tenant: Tenant
) -> None:
    response = await send(
        IngestSource.ALERTMANAGER, group(alert(fingerprint="good"), alert(**changes))
    )
    told = response.json()
    assert (response.status_code, told["status"], told["accepted"]) == (202, "partial", 1)
    assert [(one["index"], one["field"]) for one in told["rejected"]] == [(1, field)]
    assert len(await stored(database, tenant)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [([], "alerts"), ({"alerts": 1}, "alerts"), ({"version": "3", "alerts": []}, "version")],
)
async def test_what_is_no_notification_is_refused(body: Any, field: str, send: Send) -> None:
    response = await send(IngestSource.ALERTMANAGER, body)
    assert (response.status_code, response.json()["error"]["field"]) == (422, field)


async def test_what_was_left_out_is_said(send: Send) -> None:
    response = await send(IngestSource.ALERTMANAGER, group(alert(), truncatedAlerts=7))
    assert "7 alerts" in response.json()["notes"][0]


async def test_hosts_are_found_by_full_name_short_name_and_address(
    send: Send, database: Database, tenant: Tenant
) -> None:
    named = await make_agent(database, tenant, name="db-01")
    addressed = await make_agent(database, tenant, addresses=["10.9.8.7", "fd00::7"])
    told = {
        "db-01.example.com:9100": named.id,
        "DB-01": named.id,
        "10.9.8.7:9100": addressed.id,
        "[fd00::7]:9100": addressed.id,
        "https://shop.example.com/health": None,
    }
    for number, instance in enumerate(told):
        labels = {"alertname": "Load", "instance": instance}
        payload = group(alert(labels=labels, fingerprint=str(number), startsAt=ago(50 - number)))
        assert (await send(IngestSource.ALERTMANAGER, payload)).status_code == 202
    assert [one.agent_id for one in await stored(database, tenant)] == list(told.values())


async def test_an_unknown_host_becomes_an_unenrolled_agent_where_that_is_allowed(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await send(IngestSource.ALERTMANAGER, group(alert()))
    async with database.transaction(tenant_id=tenant.id) as session:
        (host,) = await session.scalars(select(Agent))
    assert (host.name, host.is_enrolled, host.last_seen_at) == ("web-01", False, None)


async def test_an_unknown_host_is_refused_where_it_is_not_allowed(
    send: Send, database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(Tenant).values(accepts_unknown_hosts=False))
    response = await send(IngestSource.ALERTMANAGER, group(alert()))
    told = response.json()
    assert (response.status_code, told["status"], told["error"]["field"]) == (
        422,
        "refused",
        "labels",
    )
    assert "not known here" in told["rejected"][0]["reason"]
    assert await stored(database, tenant) == []


async def test_unknown_hosts_take_places_of_the_plan_until_there_is_none(
    send: Send, database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(Tenant).values(server_limit=2))
    alerts = [
        alert(labels={"alertname": "Load", "instance": f"host-{n}:9100"}, fingerprint=str(n))
        for n in range(3)
    ]
    told = (await send(IngestSource.ALERTMANAGER, group(*alerts))).json()
    assert (told["status"], told["accepted"], told["rejected_count"]) == ("partial", 2, 1)
    assert "plan covers 2 servers" in told["rejected"][0]["reason"]


@pytest.mark.parametrize("name", ["\x00", " \x07 "])
async def test_a_host_name_that_is_no_text_is_no_host(
    send: Send, database: Database, tenant: Tenant, name: str
) -> None:
    labels = {"alertname": "DiskAlmostFull", "instance": name, "severity": "page"}
    response = await send(IngestSource.ALERTMANAGER, group(alert(labels=labels)))
    assert response.status_code in {202, 422}
    assert [one.agent_id for one in await stored(database, tenant)] in ([None], [])
