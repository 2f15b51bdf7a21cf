"""Falco and Wazuh: our rules read what they can, and the rest becomes alerts; nothing is lost."""

from datetime import datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.clock import utc_now
from hub.database import Database
from hub.detections.events import EventKind
from hub.detections.models import Detection
from hub.ingest.foreign.falco import parse_falco
from hub.ingest.foreign.instants import instant_of, instant_of_number
from hub.ingest.foreign.models import ForeignAlert
from hub.ingest.foreign.observations import close_quiet_observations
from hub.ingest.foreign.wazuh import parse_wazuh, severity_of_level
from hub.ingest.keys.models import IngestSource
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.hub.ingest.conftest import Send, make_key


def falco(**changes: Any) -> dict[str, Any]:
    return {
        "hostname": "web-01",
        "rule": "Terminal shell in container",
        "priority": "Notice",
        "time": (utc_now() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),
        "source": "syscall",
        "output": "A shell was spawned in a container (user=root)",
        "output_fields": {
            "container.id": "3ad7b26ded6d",
            "proc.cmdline": "bash",
            "proc.name": "bash",
            "user.name": "root",
        },
    } | changes


def wazuh(level: int = 10, **changes: Any) -> dict[str, Any]:
    return {
        "timestamp": (utc_now() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.123+0000"),
        "id": "1793692800.104932",
        "rule": {"id": "100200", "level": level, "description": "Custom rule", "groups": ["web"]},
        "agent": {"id": "003", "name": "web-01", "ip": "10.20.0.11"},
        "manager": {"name": "wazuh-01"},
        "full_log": "something happened",
    } | changes


async def alerts(database: Database, tenant: Tenant) -> list[Alert]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return list(await session.scalars(select(Alert).order_by(col(Alert.opened_at))))


async def test_what_no_rule_of_ours_reads_is_one_alert_a_subject(
    send: Send, database: Database, tenant: Tenant
) -> None:
    later = utc_now() - timedelta(minutes=1)
    other = falco()["output_fields"] | {"container.id": "ffffffffffff"}
    response = await send(
        IngestSource.FALCO,
        [falco(), falco(time=later.isoformat()), falco(output_fields=other)],
    )
    told = response.json()
    assert (response.status_code, told["accepted"], told["unchanged"]) == (202, 2, 1)
    stored = await alerts(database, tenant)
    assert [(one.title, one.category, one.severity, one.source) for one in stored] == [
        ("Terminal shell in container", AlertCategory.SECURITY, Severity.LOW, "falco")
    ] * 2
    assert (await send(IngestSource.FALCO, falco())).json()["unchanged"] == 1
    assert len(await alerts(database, tenant)) == 2


async def test_what_was_quiet_for_a_day_is_over_and_may_come_again(
    send: Send, database: Database, tenant: Tenant
) -> None:
    first = falco()
    await send(IngestSource.FALCO, first)
    async with database.transaction(tenant_id=tenant.id) as session:
        past = utc_now() - timedelta(days=2)
        await session.execute(update(ForeignAlert).values(started_at=past, last_told_at=past))
        closed = await close_quiet_observations(session, tenant_id=tenant.id, now=utc_now())
    assert closed == 1
    assert [one.state for one in await alerts(database, tenant)] == [AlertState.RESOLVED]
    assert (await send(IngestSource.FALCO, first)).json()["accepted"] == 1
    assert sorted(one.state for one in await alerts(database, tenant)) == ["open", "resolved"]


async def test_what_our_rules_read_becomes_a_detection_and_no_alert(
    send: Send, database: Database, tenant: Tenant
) -> None:
    event = falco(
        rule="Linux Kernel Module Injection Detected",
        priority="Critical",
        output_fields={"proc.name": "insmod", "proc.cmdline": "insmod rootkit.ko"},
    )
    assert (await send(IngestSource.FALCO, event)).json()["accepted"] == 1
    assert (await send(IngestSource.FALCO, event)).json()["unchanged"] == 1
    assert await alerts(database, tenant) == []
    async with database.transaction(tenant_id=tenant.id) as session:
        rules = (await session.scalars(select(col(Detection.rule_kind)))).all()
    assert [str(rule) for rule in rules] == ["kernel_module_load"]


async def test_eight_failures_that_wazuh_counted_are_a_brute_force(
    send: Send, database: Database, tenant: Tenant
) -> None:
    rule = {
        "id": "5712",
        "level": 10,
        "frequency": 8,
        "description": "sshd: brute force trying to get access to the system",
        "groups": ["syslog", "sshd", "authentication_failures"],
    }
    data = {"srcip": "203.0.113.7", "srcuser": "admin"}
    alert = wazuh(rule=rule, data=data, predecoder={"program_name": "sshd"})
    assert (await send(IngestSource.WAZUH, alert)).json()["accepted"] == 1
    async with database.transaction(tenant_id=tenant.id) as session:
        (found,) = await session.scalars(select(Detection))
    assert str(found.rule_kind) == "ssh_bruteforce"


async def test_falcos_reports_about_itself_are_no_alerts(
    send: Send, database: Database, tenant: Tenant
) -> None:
    response = await send(IngestSource.FALCO, falco(rule="Falco internal: metrics snapshot"))
    told = response.json()
    assert (response.status_code, told["unchanged"], len(told["notes"])) == (202, 1, 1)
    assert await alerts(database, tenant) == []


async def test_lines_of_json_are_read_and_a_wrong_event_is_refused_alone(send: Send) -> None:
    events = [
        falco(),
        falco(hostname=None),
        falco(priority="Loud"),
        falco(time="yesterday"),
        falco(rule=""),
        falco(time="2019-01-01T00:00:00Z"),
        "text",
    ]
    response = await send(
        IngestSource.FALCO,
        content=b"\n".join(orjson.dumps(event) for event in events),
        headers={"Content-Type": "application/x-ndjson"},
    )
    told = response.json()
    assert (response.status_code, told["accepted"]) == (202, 1)
    assert [(one["index"], one["field"]) for one in told["rejected"]] == [
        (1, "hostname"),
        (2, "priority"),
        (3, "time"),
        (4, "rule"),
        (5, "time"),
        (6, "item"),
    ]


async def test_an_event_without_a_host_is_of_the_keys_default_host(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    key = await make_key(database, tenant, IngestSource.FALCO, default_host="edge-9")
    headers = {"Authorization": f"Bearer {key}"}
    response = await http.post("/api/v1/falco", json=falco(hostname=None), headers=headers)
    assert response.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("priority", "severity"),
    [
        ("Emergency", Severity.CRITICAL),
        ("ALERT", Severity.CRITICAL),
        ("Critical", Severity.CRITICAL),
        ("Error", Severity.HIGH),
        ("Warning", Severity.MEDIUM),
        ("Notice", Severity.LOW),
        ("Informational", Severity.INFO),
        ("Debug", Severity.INFO),
    ],
)
def test_priorities_are_severities(priority: str, severity: Severity) -> None:
    (seen,) = parse_falco(orjson.dumps(falco(priority=priority)), now=utc_now()).seen
    assert seen.severity is severity


def test_levels_are_severities() -> None:
    names = [severity_of_level(level).value for level in range(16)]
    assert names == (
        ["info"] * 4 + ["low"] * 3 + ["medium"] * 5 + ["high"] * 3 + ["critical"]
    )  # fmt: skip


def test_an_alert_of_wazuh_4_is_read() -> None:
    rule = {"id": "5710", "level": 5, "description": "sshd", "groups": ["authentication_failed"]}
    data = {"srcip": "203.0.113.7", "srcuser": "admin"}
    (seen,) = parse_wazuh(orjson.dumps(wazuh(rule=rule, data=data)), now=utc_now()).seen
    assert seen.event is not None
    assert (seen.event.kind, seen.event.user, seen.event.source_address, seen.event.id) == (
        EventKind.AUTH_FAILURE,
        "admin",
        "203.0.113.7",
        "1793692800.104932",
    )
    assert seen.host is not None
    assert (seen.host.name, seen.host.addresses) == ("web-01", ("10.20.0.11",))


def test_an_alert_of_wazuh_5_is_read() -> None:
    alert = {
        "@timestamp": (utc_now() - timedelta(minutes=1)).isoformat(),
        "event": {"id": "e-1", "original": "Failed password"},
        "rule": {"id": "5710", "level": "medium", "title": "Failed login"},
        "wazuh": {"agent": {"id": "003", "name": "web-01", "host": {"ip": ["10.20.0.11"]}}},
        "source": {"ip": "203.0.113.7"},
        "user.name": "admin",
    }
    (seen,) = parse_wazuh(orjson.dumps([alert]), now=utc_now()).seen
    assert (seen.severity, seen.title) == (Severity.MEDIUM, "Failed login")
    assert seen.event is not None
    assert (seen.event.user, seen.event.source_address) == ("admin", "203.0.113.7")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rule": {"level": 3}}, "rule.id"),
        ({"rule": {"id": "1", "level": 16}}, "rule.level"),
        ({"rule": {"id": "1", "level": "loud"}}, "rule.level"),
        ({"timestamp": "2026-11-03T08:00:00"}, "timestamp"),
        ({"agent": {}}, "agent.name"),
    ],
)
async def test_a_wrong_alert_says_which_field(
    changes: dict[str, Any], field: str, send: Send
) -> None:
    response = await send(IngestSource.WAZUH, wazuh(**changes))
    assert (response.status_code, response.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-03T08:00:00.123+0000", "2026-11-03T08:00:00.123000+00:00"),
        ("2026-11-03T08:00:00.123456789Z", "2026-11-03T08:00:00.123456+00:00"),
        ("2026-11-03T10:00:00+02:00", "2026-11-03T08:00:00+00:00"),
        ("2026-11-03T08:00:00", None),
        ("2026-11-03T08:00:00Z+2", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        (None, None),
    ],
)
def test_moments_are_read_as_tools_write_them(text: str | None, instant: str | None) -> None:
    expected = datetime.fromisoformat(instant) if instant else None
    assert instant_of(text) == expected


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_numbers_of_any_unit_name_the_same_moment(unit: int) -> None:
    assert instant_of_number(1_793_692_800 * unit) == instant_of("2026-11-03T08:00:00Z")
