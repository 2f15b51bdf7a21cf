"""Hosts, through the operation files that Claude and the dashboard share."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import AlertCategory
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import NewDetection, record_detection
from hub.detections.models import RuleKind
from hub.fleet.commands import insert_metric_samples, upsert_latest
from hub.fleet.models import Agent
from hub.fleet.reports import Figures, FileSystem, Sample
from hub.principal import Scope
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.vulnerabilities.models import Advisory, Finding, FindingKind, FindingState
from tests.conftest import Statements
from tests.factories import connector, make_agent, person
from tests.schema.asking import ask, page, refusal, tool

LIST_AGENTS = tool("monsys_list_agents")
GET_AGENT = tool("monsys_get_agent")
NOW = utc_now().replace(microsecond=0)


async def make_fleet(database: Database, tenant: Tenant) -> list[Agent]:
    """Store three hosts: two that report, one of them in production, and one that is silent."""
    rows: list[dict[str, Any]] = [
        {
            "name": "db-01",
            "tags": ["env:production", "role:db"],
            "os_name": "Debian GNU/Linux 12 (bookworm)",
            "kernel_release": "6.1.0-18-amd64",
            "addresses": ["10.0.0.11"],
            "last_seen_at": utc_now(),
        },
        {"name": "web_01", "tags": ["env:staging"], "last_seen_at": utc_now()},
        {
            "name": "web-02",
            "tags": ["env:production", "role:web"],
            "last_seen_at": NOW - timedelta(minutes=10),
        },
    ]
    return [await make_agent(database, tenant, **row) for row in rows]


async def open_alerts(database: Database, agent: Agent, *severities: Severity) -> None:
    alerts = [
        NewAlert(
            fingerprint=f"{agent.id}/{severity}",
            category=AlertCategory.CAPACITY,
            severity=severity,
            title=f"{severity} trouble",
            agent_id=agent.id,
            opened_at=NOW,
        )
        for severity in severities
    ]
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        await record_alerts(session, tenant_id=agent.tenant_id, alerts=alerts)


async def names(database: Database, tenant: Tenant, **variables: Any) -> list[str]:
    answer = await ask(database, connector(tenant), LIST_AGENTS, **variables)
    assert answer["total"] == len(answer["agents"])
    return [agent["name"] for agent in answer["agents"]]


async def test_lists_a_host_with_its_latest_figures_and_open_alerts(
    database: Database, tenant: Tenant
) -> None:
    agent, *_ = await make_fleet(database, tenant)
    await open_alerts(database, agent, Severity.LOW, Severity.CRITICAL)
    figures = Figures(
        at=NOW,
        cpu_percent=12.345,
        memory_percent=40.0,
        disks=[FileSystem("/", 71.0), FileSystem("/var", 93.5)],
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        await upsert_latest(session, tenant_id=tenant.id, figures={agent.id: figures})
    answer = await ask(database, connector(tenant), LIST_AGENTS, tags=["role:db"])
    assert agent.last_seen_at is not None
    assert answer == {
        "total": 1,
        "agents": [
            {
                "name": "db-01",
                "id": str(agent.id),
                "status": "online",
                "last_seen": agent.last_seen_at.isoformat(),
                "os": "Debian GNU/Linux 12 (bookworm)",
                "kernel": "6.1.0-18-amd64",
                "addresses": ["10.0.0.11"],
                "tags": ["env:production", "role:db"],
                "cpu_percent": 12.3,
                "memory_percent": 40.0,
                "worst_disk_percent": 93.5,
                "open_alerts": 2,
            }
        ],
        "page": {"next_cursor": None},
    }


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["db-01", "web_01"]),
        ({"status": "offline"}, ["web-02"]),
        ({"status": "all"}, ["db-01", "web_01", "web-02"]),
        ({"status": "all", "tags": ["env:production"]}, ["db-01", "web-02"]),
        ({"status": "all", "tags": ["env:production", "role:web"]}, ["web-02"]),
        ({"status": "all", "tags": ["env:production", "role:none"]}, []),
        ({"status": "all", "tags": []}, ["db-01", "web_01", "web-02"]),
        ({"status": "all", "search": "WEB"}, ["web_01", "web-02"]),
        ({"status": "all", "search": "bookworm"}, ["db-01"]),
        ({"status": "all", "search": "10.0.0.1"}, ["db-01"]),
        ({"status": "all", "search": "web_"}, ["web_01"]),
        ({"status": "all", "search": "%"}, []),
        ({"status": "all", "search": "\\"}, []),
    ],
)
async def test_filters_hosts(
    filters: dict[str, Any], expected: list[str], database: Database, tenant: Tenant
) -> None:
    await make_fleet(database, tenant)
    assert sorted(await names(database, tenant, **filters)) == sorted(expected)


async def test_pages_through_every_host_once(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    expected = [f"host-{number:02}" for number in range(7)]
    for name in reversed(expected):
        await make_agent(database, tenant, name=name)
    statements.clear()
    seen: list[str] = []
    variables: dict[str, Any] = {"limit": 3, "status": "all"}
    while True:
        answer = await ask(database, connector(tenant), LIST_AGENTS, **variables)
        assert answer["total"] == 7
        seen += [agent["name"] for agent in answer["agents"]]
        variables["after"] = answer["page"]["next_cursor"]
        if variables["after"] is None:
            break
    assert seen == expected
    assert len(statements) == 3, "\n\n".join(statements)  # one a page, however long


async def test_shows_one_host_in_full(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent, neighbour, _ = await make_fleet(database, tenant)
    await open_alerts(database, agent, Severity.LOW, Severity.CRITICAL)
    await open_alerts(database, neighbour, Severity.HIGH)
    await measure(database, agent, NOW)
    await find_vulnerabilities(database, agent)
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_detection(session, tenant_id=tenant.id, detection=brute_force(agent))
    statements.clear()
    answer = await ask(database, connector(tenant), GET_AGENT, agent="db-01")
    assert len(statements) == 6, "\n\n".join(statements)
    assert answer["name"] == "db-01"
    assert (answer["load1"], answer["load5"], answer["load15"]) == (0.5, 0.25, 0.125)
    assert answer["disks"] == [
        {"mount": "/var", "used_percent": 93.5, "total_bytes": 5e12},
        {"mount": "/", "used_percent": 71.0, "total_bytes": None},
    ]
    assert answer["last_24h"] == {
        "cpu_percent": {"min": 10.0, "mean": 20.0, "max": 30.0},
        "memory_percent": {"min": 50.0, "mean": 50.0, "max": 50.0},
        "worst_disk_percent": {"min": None, "mean": None, "max": None},
    }
    assert answer["open_alert_count"] == 2
    assert [alert["severity"] for alert in answer["open_alerts"]] == ["critical", "low"]
    (detection,) = answer["open_detections"]
    assert (detection["id"], detection["rule_kind"]) == (f"DEV-{NOW.year}-0001", "ssh_bruteforce")
    assert answer["vulnerabilities"] == {
        "critical": 2,
        "high": 0,
        "medium": 1,
        "low": 0,
        "info": 0,
        "reboot_pending": 1,
    }


async def measure(database: Database, agent: Agent, now: datetime) -> None:
    disks = [FileSystem("/", 71.0), FileSystem("/var", 93.5, total_bytes=5 * 10**12)]
    figures = Figures(at=now, load1=0.5, load5=0.25, load15=0.125, disks=disks)
    samples = [
        Sample(agent.id, now - timedelta(hours=hours), cpu_percent=cpu, memory_percent=50.0)
        for hours, cpu in ((1, 10.0), (2, 20.0), (3, 30.0), (25, 100.0))
    ]
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        await upsert_latest(session, tenant_id=agent.tenant_id, figures={agent.id: figures})
        await insert_metric_samples(session, tenant_id=agent.tenant_id, samples=samples)


async def find_vulnerabilities(database: Database, agent: Agent) -> None:
    found = (
        (Severity.CRITICAL, FindingState.OPEN),
        (Severity.CRITICAL, FindingState.REBOOT_PENDING),
        (Severity.MEDIUM, FindingState.OPEN),
        (Severity.HIGH, FindingState.ACCEPTED),
    )
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        advisory = Advisory(
            id=f"CVE-{agent.id}", severity=Severity.HIGH, modified_at=NOW, record={}
        )
        session.add(advisory)
        await session.flush()
        for number, (severity, state) in enumerate(found):
            session.add(
                Finding(
                    tenant_id=agent.tenant_id,
                    agent_id=agent.id,
                    advisory_id=advisory.id,
                    kind=FindingKind.PACKAGE,
                    ecosystem="Debian:12",
                    package_name=f"package-{number}",
                    installed_version="1.0",
                    severity=severity,
                    state=state,
                )
            )


def brute_force(agent: Agent) -> NewDetection:
    return NewDetection(
        agent_id=agent.id,
        rule_kind=RuleKind.SSH_BRUTEFORCE,
        title="SSH password guessing",
        first_seen_at=NOW,
        last_seen_at=NOW,
    )


async def test_a_host_that_never_reported_is_offline_and_has_no_figures(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    answer = await ask(database, connector(tenant), GET_AGENT, agent=str(agent.id))
    assert answer["status"] == "offline"
    assert answer["last_24h"] is answer["last_seen"] is answer["cpu_percent"] is None
    assert answer["disks"] == answer["open_alerts"] == answer["open_detections"] == []


@pytest.mark.parametrize("name", ["unknown", "", "a\0b", "00000000-0000-0000-0000-000000000000"])
async def test_an_unknown_host_is_refused_in_plain_words(
    name: str, database: Database, tenant: Tenant
) -> None:
    assert await refusal(database, connector(tenant), GET_AGENT, agent=name) == {
        "code": "NOT_FOUND",
        "field": "agent",
        "message": "No agent has this name or id; monsys_list_agents shows the names.",
    }


async def test_hosts_of_another_tenant_are_unknown(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    foreign, *_ = await make_fleet(database, other_tenant)
    assert await names(database, tenant, status="all") == []
    for name in (foreign.name, str(foreign.id)):
        error = await refusal(database, connector(tenant), GET_AGENT, agent=name)
        assert error["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"limit": 0}, "first"),
        ({"limit": 10_000}, "first"),
        ({"after": "soon"}, "after"),
        ({"search": "a\0b"}, "search"),
        ({"search": "x" * 201}, "search"),
        ({"tags": ["a\0b"]}, "tags"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
    ],
)
async def test_a_bad_argument_is_named(
    variables: dict[str, Any], field: str, database: Database, tenant: Tenant
) -> None:
    error = await refusal(database, connector(tenant), LIST_AGENTS, **variables)
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)
    assert f"`{field}`" in error["message"]


@pytest.mark.parametrize("operation", [LIST_AGENTS, GET_AGENT], ids=lambda each: each.name)
async def test_hosts_need_the_read_scope(
    operation: Any, database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    statements.clear()
    given = {"agent": agent.name} if operation is GET_AGENT else {}
    only_acknowledge = connector(tenant, Scope.ACKNOWLEDGE)
    error = await refusal(database, only_acknowledge, operation, **given)
    assert error["code"] == "FORBIDDEN"
    assert statements == []


async def test_the_dashboard_loads_the_details_of_a_page_in_a_fixed_number_of_statements(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agents = await make_fleet(database, tenant)
    for agent in agents:
        await open_alerts(database, agent, Severity.HIGH)
    statements.clear()
    answer = await ask(database, person(tenant), page("dashboard_agents"))
    assert len(statements) == 1
    assert [node["openAlertCount"] for node in answer["nodes"]] == [1, 1, 1]
    details = await ask(database, person(tenant), page("dashboard_agent"), agent="web-02")
    assert [alert["title"] for alert in details["openAlerts"]] == ["high trouble"]
