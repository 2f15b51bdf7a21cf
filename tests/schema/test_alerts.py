"""The alerts list, through the operation file that Claude and the dashboard share."""

from hub.alerts.models import Alert, AlertCategory
from hub.database import Database, UnitOfWork
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import connector, make_agent

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
