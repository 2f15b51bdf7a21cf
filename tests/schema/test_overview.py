"""The overview and the viewer, through the operation files of Claude and of the dashboard."""

from typing import Any

from hub.alerts.commands import resolve_alert
from hub.alerts.models import Alert, AlertCategory
from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.principal import PERMISSIONS_BY_ROLE, Principal, Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import connector, make_agent, person

TOOL = operations("mcp")["monsys_kpi_summary"]
DASHBOARD = operations("dashboard")["dashboard_overview"]
VIEWER = operations("dashboard")["dashboard_viewer"]


async def ask(database: Database, principal: Principal, operation: Any) -> Any:
    """Return the data under the operation's root field, and the moment it was asked at."""
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        result = await run_operation(operation, {}, Context(UnitOfWork(session), principal))
    assert result.errors is None
    assert result.data is not None
    [answer] = result.data.values()
    return answer


async def test_a_morning_briefing_reads_one_row_and_is_right_after_every_change(
    database: Database, tenant: Tenant, other_tenant: Tenant, statements: Statements
) -> None:
    await make_agent(database, tenant, last_seen_at=utc_now())
    await make_agent(database, other_tenant, last_seen_at=utc_now())
    async with database.transaction(tenant_id=tenant.id) as session:
        alert = Alert(
            tenant_id=tenant.id,
            fingerprint="disk",
            category=AlertCategory.CAPACITY,
            severity=Severity.CRITICAL,
            title="Disk is full",
        )
        session.add(alert)
    first = await ask(database, connector(tenant), TOOL)
    statements.clear()
    answer = await ask(database, connector(tenant), TOOL)
    assert len(statements) == 1, "\n\n".join(statements)
    assert answer == first
    answer.pop("as_of")
    nothing = {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0, "total": 0}
    assert answer == {
        "trust_score": {"total": None, "delta_since_yesterday": None, "delta_7d": None},
        "open_alerts": nothing | {"critical": 1, "total": 1},
        "open_detections_24h": nothing,
        "sla_targets": {"met": 0, "at_risk": 0, "breached": 0, "unknown": 0},
        "agents": {"online": 1, "offline": 0},
    }
    assert (await ask(database, person(tenant), DASHBOARD))["openAlerts"]["total"] == 1
    async with database.transaction(tenant_id=tenant.id) as session:
        await resolve_alert(session, tenant_id=tenant.id, fingerprint="disk", at=utc_now())
    assert (await ask(database, person(tenant), DASHBOARD))["openAlerts"]["total"] == 0


async def test_the_viewer_is_who_asks(database: Database, tenant: Tenant) -> None:
    assert await ask(database, person(tenant, role=Role.VIEWER), VIEWER) == {
        "email": "operator@example.com",
        "kind": "session",
        "tenant": "Acme",
        "role": "viewer",
        "permissions": sorted(PERMISSIONS_BY_ROLE[Role.VIEWER]),
    }
