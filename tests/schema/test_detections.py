"""Security events, through the operation files that Claude and the dashboard share."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import NewDetection, NewEvent, record_detections
from hub.detections.guidance import GUIDANCE
from hub.detections.models import RuleKind
from hub.fleet.models import Agent
from hub.principal import Principal, Role, Scope
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub_schema.operations import Operation
from tests.conftest import Statements
from tests.factories import connector, make_agent, person
from tests.schema.asking import ask, page, refusal, tool

LIST = tool("monsys_list_detections")
GET = tool("monsys_get_detection")
ACKNOWLEDGE = tool("monsys_acknowledge_detection")
REOPEN = page("dashboard_reopen_detection")
NOW = utc_now().replace(microsecond=0)
ATTACKER = "203.0.113.7"


def detection(agent: Agent, *, hours_ago: float = 1, **fields: Any) -> NewDetection:
    at = NOW - timedelta(hours=hours_ago)
    defaults: dict[str, Any] = {
        "agent_id": agent.id,
        "rule_kind": RuleKind.SSH_BRUTEFORCE,
        "title": "SSH password guessing",
        "first_seen_at": at - timedelta(minutes=2),
        "last_seen_at": at,
    }
    return NewDetection(**(defaults | fields))


async def record(database: Database, tenant: Tenant, *detections: NewDetection) -> list[str]:
    async with database.transaction(tenant_id=tenant.id) as session:
        names = await record_detections(session, tenant_id=tenant.id, detections=detections)
    return [name.number for name in names]


async def listed(database: Database, tenant: Tenant, **variables: Any) -> list[str]:
    answer = await ask(database, connector(tenant), LIST, **variables)
    assert answer["total"] == len(answer["detections"])
    return [each["id"] for each in answer["detections"]]


async def test_lists_a_detection_with_what_people_ask_about(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-edge-01")
    (number,) = await record(
        database,
        tenant,
        detection(agent, source_address=ATTACKER, target_user="deploy", event_count=412),
    )
    answer = await ask(database, connector(tenant), LIST)
    assert answer == {
        "total": 1,
        "detections": [
            {
                "id": number,
                "rule_kind": "ssh_bruteforce",
                "techniques": ["T1110.001"],
                "severity": "medium",
                "title": "SSH password guessing",
                "agent": "web-edge-01",
                "first_seen": (NOW - timedelta(hours=1, minutes=2)).isoformat(),
                "last_seen": (NOW - timedelta(hours=1)).isoformat(),
                "count": 412,
                "source_address": ATTACKER,
                "target_user": "deploy",
                "acknowledged_by": None,
                "acknowledged_at": None,
            }
        ],
        "page": {"next_cursor": None},
    }


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["fresh"]),
        ({"ack": "acknowledged"}, ["closed"]),
        ({"ack": "all"}, ["fresh", "closed"]),
        ({"ack": "all", "since": "7d"}, ["fresh", "closed", "old"]),
        ({"since": "7d", "severity": "critical"}, ["old"]),
        ({"since": "7d", "rule_kind": "reverse_shell"}, ["old"]),
        ({"since": "7d", "agent": "web"}, ["fresh"]),
        ({"since": "30m"}, []),
    ],
)
async def test_filters_detections(
    filters: dict[str, Any], expected: list[str], database: Database, tenant: Tenant
) -> None:
    web = await make_agent(database, tenant, name="web")
    db = await make_agent(database, tenant, name="db")
    old: dict[str, Any] = {"rule_kind": RuleKind.REVERSE_SHELL, "hours_ago": 48}
    numbers = await record(
        database, tenant, detection(web), detection(db, hours_ago=2), detection(db, **old)
    )
    await ask(database, connector(tenant), ACKNOWLEDGE, id=numbers[1])
    by_number = dict(zip(numbers, ("fresh", "closed", "old"), strict=True))
    found = await listed(database, tenant, **filters)
    assert [by_number[number] for number in found] == expected


async def test_pages_through_every_detection_once(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    # Some happen in the same moment: only the tie-break keeps pages from losing them.
    numbers = await record(
        database, tenant, *(detection(agent, hours_ago=1 + index // 3) for index in range(7))
    )
    statements.clear()
    seen: list[str] = []
    variables: dict[str, Any] = {"limit": 2}
    while True:
        answer = await ask(database, connector(tenant), LIST, **variables)
        assert answer["total"] == 7
        seen += [each["id"] for each in answer["detections"]]
        variables["after"] = answer["page"]["next_cursor"]
        if variables["after"] is None:
            break
    assert sorted(seen) == sorted(numbers)
    assert len(statements) == 4, "\n\n".join(statements)  # one a page, however long


async def test_explains_a_detection_with_what_stands_around_it(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    web = await make_agent(database, tenant, name="web")
    db = await make_agent(database, tenant, name="db")
    events = [
        NewEvent(NOW - timedelta(minutes=2 - minute), f"Failed password {minute}", ATTACKER, "root")
        for minute in range(3)
    ]
    subject = detection(
        web, source_address=ATTACKER, target_user="root", events=events, process_name="sshd"
    )
    numbers = await record(
        database,
        tenant,
        subject,
        detection(web, hours_ago=20, rule_kind=RuleKind.NEW_SUDO_USER),
        detection(db, hours_ago=3, rule_kind=RuleKind.LOG_CLEARED, source_address=ATTACKER),
        detection(db, hours_ago=5),
        detection(db, hours_ago=24 * 20, rule_kind=RuleKind.NEW_USER, target_user="root"),
        detection(db, hours_ago=24 * 40),
        detection(db, hours_ago=2, rule_kind=RuleKind.NEW_LISTENING_PORT),
    )
    await ask(database, connector(tenant), ACKNOWLEDGE, id=numbers[0])
    statements.clear()
    answer = await ask(database, connector(tenant), GET, id=f" {numbers[0].lower()} ")
    assert len(statements) == 5, "\n\n".join(statements)
    assert (answer["id"], answer["rule"], answer["process"]) == (
        numbers[0],
        "SSH password guessing",
        "sshd",
    )
    assert (answer["state"], answer["acknowledged_by"], answer["acknowledged_via"]) == (
        "acknowledged",
        "operator@example.com",
        "connector",
    )
    assert [event["summary"] for event in answer["events"]] == [
        "Failed password 0",
        "Failed password 1",
        "Failed password 2",
    ]
    assert [(entry["action"], entry["via"]) for entry in answer["history"]] == [
        ("acknowledged", "connector")
    ]
    assert [(each["detection"]["id"], each["why"]) for each in answer["related"]] == [
        (numbers[2], ["same_address"]),
        (numbers[1], ["same_agent"]),
    ]
    assert [(each["detection"]["id"], each["why"]) for each in answer["similar"]] == [
        (numbers[3], ["same_rule"]),
        (numbers[4], ["same_user"]),
    ]
    assert answer["next_steps"] == list(GUIDANCE[RuleKind.SSH_BRUTEFORCE].next_steps)


async def test_neighbours_are_the_ten_newest(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    numbers = await record(
        database, tenant, *(detection(agent, hours_ago=hour) for hour in range(1, 14))
    )
    answer = await ask(database, connector(tenant), GET, id=numbers[0])
    assert [each["detection"]["id"] for each in answer["related"]] == numbers[1:11]
    assert answer["similar"] == []


async def test_raw_lines_and_notes_are_for_the_dashboard_only(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    event = NewEvent(NOW, "Failed password", raw="Failed password for root from …")
    (number,) = await record(database, tenant, detection(agent, events=[event]))
    await ask(database, connector(tenant), ACKNOWLEDGE, id=number, note="A drill of ours.")
    shown = await ask(database, person(tenant), page("dashboard_detection"), id=number)
    assert shown["events"][0]["raw"] == event.raw
    assert shown["acknowledgementNote"] == shown["history"][0]["note"] == "A drill of ours."
    statements.clear()
    passed = await ask(database, connector(tenant), GET, id=number)
    assert "A drill" not in str(passed)
    assert not [sql for sql in statements if "detection_events.raw" in sql]


async def test_acknowledging_returns_the_detection_and_twice_is_no_error(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web")
    (number,) = await record(database, tenant, detection(agent))
    only_acknowledge = connector(tenant, Scope.ACKNOWLEDGE)
    first = await ask(database, only_acknowledge, ACKNOWLEDGE, id=number, note="A drill.")
    second = await ask(database, only_acknowledge, ACKNOWLEDGE, id=number)
    assert (first["has_changed"], second["has_changed"]) == (True, False)
    assert first["detection"] == second["detection"]
    assert first["detection"].pop("acknowledged_at") is not None
    assert first["detection"] == {
        "id": number,
        "rule_kind": "ssh_bruteforce",
        "severity": "medium",
        "title": "SSH password guessing",
        "agent": "web",
        "last_seen": (NOW - timedelta(hours=1)).isoformat(),
        "state": "acknowledged",
        "acknowledged_by": "operator@example.com",
        "acknowledged_via": "connector",
    }


async def test_a_person_reopens_what_was_acknowledged_and_both_are_audited(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    (number,) = await record(database, tenant, detection(agent))
    await ask(database, connector(tenant), ACKNOWLEDGE, id=number)
    given = {"id": number, "note": "Not a drill."}
    reopened = await ask(database, person(tenant), REOPEN, input=given)
    assert reopened["hasChanged"] is True
    assert (reopened["detection"]["state"], reopened["detection"]["acknowledgedBy"]) == (
        "open",
        None,
    )
    assert [entry["action"] for entry in reopened["detection"]["history"]] == [
        "reopened",
        "acknowledged",
    ]
    assert await listed(database, tenant) == [number]
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = (await session.scalars(select(AuditRow))).all()
    assert sorted((row.event_type, row.actor_kind, row.request_id) for row in rows) == [
        ("detection_acknowledged", "connector", "req-1"),
        ("detection_reopened", "session", "req-1"),
    ]


def callers(tenant: Tenant) -> dict[str, Principal]:
    return {
        "a connector that may only read": connector(tenant, Scope.READ),
        "a connector that may acknowledge": connector(tenant),
        "a connector of an analyst": connector(tenant, role=Role.ANALYST),
        "an operator": person(tenant),
        "an analyst": person(tenant, role=Role.ANALYST),
        "a viewer": person(tenant, role=Role.VIEWER),
    }


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        ("a connector that may only read", []),
        ("a connector that may acknowledge", [ACKNOWLEDGE]),
        ("a connector of an analyst", []),
        ("an operator", [ACKNOWLEDGE, REOPEN]),
        ("an analyst", []),
        ("a viewer", []),
    ],
)
async def test_who_may_close_and_reopen(
    caller: str,
    allowed: list[Operation],
    database: Database,
    tenant: Tenant,
    statements: Statements,
) -> None:
    agent = await make_agent(database, tenant)
    (number,) = await record(database, tenant, detection(agent))
    principal = callers(tenant)[caller]
    steps: list[tuple[Operation, dict[str, Any]]] = [
        (ACKNOWLEDGE, {"id": number}),
        (REOPEN, {"input": {"id": number}}),
    ]
    for operation, variables in steps:
        statements.clear()
        if operation in allowed:
            await ask(database, principal, operation, **variables)
        else:
            error = await refusal(database, principal, operation, **variables)
            assert error["code"] == "FORBIDDEN"
            assert statements == []


async def test_detections_of_another_tenant_are_unknown_and_stay_open(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    agent = await make_agent(database, other_tenant)
    (number,) = await record(database, other_tenant, detection(agent, source_address=ATTACKER))
    foreign = await ask(database, person(other_tenant), page("dashboard_detection"), id=number)
    for name in (number, foreign["id"]):
        for operation, variables in (
            (GET, {"id": name}),
            (ACKNOWLEDGE, {"id": name}),
            (REOPEN, {"input": {"id": name}}),
        ):
            error = await refusal(database, person(tenant), operation, **variables)
            assert (error["code"], error["field"]) == ("NOT_FOUND", "id")
    assert await listed(database, tenant, ack="all") == []
    assert await listed(database, other_tenant) == [number]


async def test_neighbours_never_come_from_another_tenant(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    numbers = []
    for each in (tenant, other_tenant):
        agent = await make_agent(database, each)
        same = detection(agent, source_address=ATTACKER, target_user="root")
        numbers += await record(database, each, same)
    answer = await ask(database, connector(tenant), GET, id=numbers[0])
    assert answer["related"] == answer["similar"] == []


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"limit": 0}, "first"),
        ({"since": "soon"}, "since"),
        ({"after": "bm90LW1pbmU"}, "after"),
    ],
)
async def test_a_bad_argument_is_named(
    variables: dict[str, Any], field: str, database: Database, tenant: Tenant
) -> None:
    error = await refusal(database, connector(tenant), LIST, **variables)
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)


async def test_severity_is_the_rules_own_unless_given(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)
    await record(database, tenant, detection(agent, severity=Severity.CRITICAL))
    answer = await ask(database, connector(tenant), LIST)
    assert [each["severity"] for each in answer["detections"]] == ["critical"]
