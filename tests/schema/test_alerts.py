"""The alerts list, through the operation file that Claude and the dashboard share."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import Alert, AlertCategory
from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.fleet.models import Agent
from hub.principal import Scope
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import connector, make_agent
from tests.schema.asking import ask, refusal

NOW = utc_now().replace(microsecond=0)
LIST_ALERTS = operations("mcp")["monsys_list_alerts"]


async def test_pages_through_every_alert_once(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    async with database.transaction(tenant_id=tenant.id) as session:
        for number, severity in enumerate((Severity.LOW, Severity.CRITICAL, Severity.HIGH)):
            session.add(
                Alert(
                    tenant_id=tenant.id,
                    agent_id=agent.id,
                    fingerprint=str(number),
                    category=AlertCategory.CAPACITY,
                    severity=severity,
                    title=severity.value,
                )
            )
    seen = []
    after = None
    async with database.transaction(tenant_id=tenant.id) as session:
        while True:
            context = Context(UnitOfWork(session), connector(tenant))
            result = await run_operation(LIST_ALERTS, {"limit": 2, "after": after}, context)
            assert result.errors is None
            assert result.data is not None
            page = result.data["alerts"]
            assert page["total"] == 3
            seen += [alert["severity"] for alert in page["alerts"]]
            after = page["page"]["next_cursor"]
            if after is None:
                break
    assert seen == ["critical", "high", "low"]


async def test_costs_one_statement(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        context = Context(UnitOfWork(session), connector(tenant))
        await run_operation(LIST_ALERTS, {}, context)
    assert len(statements) == 1, "\n\n".join(statements)


async def record(database: Database, tenant: Tenant, agent: Agent, *alerts: NewAlert) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        placed = [replace(alert, agent_id=agent.id) for alert in alerts]
        await record_alerts(session, tenant_id=tenant.id, alerts=placed)


def disk_alert(**fields: Any) -> NewAlert:
    defaults: dict[str, Any] = {
        "fingerprint": uuid4().hex,
        "category": AlertCategory.CAPACITY,
        "severity": Severity.HIGH,
        "title": "Disk almost full",
    }
    return NewAlert(**(defaults | fields))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["cpu", "disk"]),
        ({"severity": "critical"}, ["cpu"]),
        ({"severity": "info"}, []),
        ({"category": "capacity"}, ["disk"]),
        ({"agent": "db-1"}, ["disk"]),
    ],
)
async def test_filters_alerts_and_leaves_out_resolved_ones(
    filters: dict[str, Any], expected: list[str], database: Database, tenant: Tenant
) -> None:
    web = await make_agent(database, tenant, name="web-1")
    db = await make_agent(database, tenant, name="db-1")
    slow = {"category": AlertCategory.PERFORMANCE, "severity": Severity.CRITICAL}
    over = disk_alert(title="over", resolved_at=utc_now())
    await record(database, tenant, web, disk_alert(title="cpu", **slow), over)
    await record(database, tenant, db, disk_alert(title="disk"))
    answer = await ask(database, connector(tenant), LIST_ALERTS, **filters)
    assert [alert["title"] for alert in answer["alerts"]] == expected
    assert answer["total"] == len(expected)


async def test_shows_an_alert_of_the_fleet_as_a_whole_without_a_host(
    database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_alerts(session, tenant_id=tenant.id, alerts=[disk_alert(opened_at=NOW)])
    answer = await ask(database, connector(tenant), LIST_ALERTS)
    (alert,) = answer["alerts"]
    assert alert.pop("id")
    assert alert == {
        "title": "Disk almost full",
        "description": "",
        "severity": "high",
        "category": "capacity",
        "agent": None,
        "opened_at": NOW.isoformat(),
    }


async def test_alerts_of_another_tenant_are_not_listed(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    foreign = await make_agent(database, other_tenant)
    await record(database, other_tenant, foreign, disk_alert())
    answer = await ask(database, connector(tenant), LIST_ALERTS)
    assert (answer["total"], answer["alerts"]) == (0, [])
    for name in (foreign.name, str(foreign.id)):
        error = await refusal(database, connector(tenant), LIST_ALERTS, agent=name)
        assert (error["code"], error["field"]) == ("NOT_FOUND", "agent")


async def test_alerts_need_the_read_scope(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    error = await refusal(database, connector(tenant, Scope.ACKNOWLEDGE), LIST_ALERTS)
    assert error["code"] == "FORBIDDEN"
    assert statements == []
