"""The audit trail, through the operation files of Claude and of the dashboard."""

from typing import Any
from uuid import uuid4

import pytest
from graphql import ExecutionResult

from hub.audit.commands import ToolCall, append_events, append_tool_calls
from hub.audit.events import AuditEvent, EventType
from hub.database import Database, UnitOfWork
from hub.principal import Permission, Principal
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.directives import EgressClass
from hub_schema.execution import run_operation
from hub_schema.operations import OperationError, operation_of, operations
from tests.conftest import Statements
from tests.factories import connector, person

TOOL = operations("mcp")["monsys_audit_log_search"]
DASHBOARD = operations("dashboard")["dashboard_audit_log"]


async def search(
    database: Database, principal: Principal, operation: Any, **variables: object
) -> ExecutionResult:
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        return await run_operation(operation, variables, Context(UnitOfWork(session), principal))


async def make_trail(database: Database, tenant: Tenant) -> None:
    """Store a tool call and an acknowledgement with a note."""
    call = ToolCall(
        tenant_id=tenant.id,
        user_id=uuid4(),
        actor="anna@example.com",
        tool_name="monsys_list_alerts",
        args_hash="0" * 64,
        result_status="success",
        duration_ms=3,
    )
    note = AuditEvent(
        EventType.DETECTION_ACKNOWLEDGED,
        "anna@example.com",
        "session",
        details={"detection": "DEV-2026-0001"},
        body="It was me, I forgot my key.",
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        await append_tool_calls(session, [call])
        await append_events(session, tenant_id=tenant.id, events=[note])


async def test_the_articles_search_finds_the_connectors_calls(
    database: Database, tenant: Tenant
) -> None:
    await make_trail(database, tenant)
    result = await search(
        database, connector(tenant), TOOL, event_type="mcp_tool_invoked", since="7d"
    )
    assert result.data is not None
    [event] = result.data["auditLog"]["events"]
    event.pop("at")
    assert event == {
        "event_type": "mcp_tool_invoked",
        "actor": "anna@example.com",
        "outcome": "success",
        "metadata": {
            "tool_name": "monsys_list_alerts",
            "args_hash": "0" * 64,
            "duration_ms": 3,
            "client_id": None,
        },
    }
    assert (result.data["auditLog"]["total"], result.data["auditLog"]["page"]) == (
        1,
        {"next_cursor": None},
    )


async def test_a_body_is_for_people_and_never_for_claude(
    database: Database, tenant: Tenant
) -> None:
    await make_trail(database, tenant)
    for_claude = await search(database, connector(tenant), TOOL)
    for_people = await search(database, person(tenant), DASHBOARD)
    assert "forgot my key" not in str(for_claude.data)
    assert for_people.data is not None
    assert for_people.data["auditLog"]["nodes"][0]["body"] == "It was me, I forgot my key."
    assert EgressClass.AUDIT_BODY not in {field.egress for field in TOOL.fields}


def test_a_tool_that_selects_bodies_does_not_load() -> None:
    with pytest.raises(OperationError, match=r"AuditEntry.body is audit_body"):
        operation_of("leak", "mcp", "query Leak { auditLog { nodes { body } } }")


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"event_type": "mcp_tool"}, "event_type"),
        ({"since": "soon"}, "since"),
        ({"until": "2026-11-02"}, "until"),
        ({"limit": 0}, "first"),
        ({"after": "x"}, "after"),
    ],
)
async def test_a_bad_argument_is_named(
    variables: dict[str, object], field: str, database: Database, tenant: Tenant
) -> None:
    result = await search(database, connector(tenant), TOOL, **variables)
    assert result.data is None
    assert [error.extensions for error in result.errors or []] == [
        {"code": "INVALID_INPUT", "field": field}
    ]


async def test_without_the_permission_nothing_is_read(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    nobody = Principal(
        kind=connector(tenant).kind,
        tenant_id=tenant.id,
        user_id=uuid4(),
        label="x",
        permissions=frozenset(Permission) - {Permission.AUDIT_READ},
    )
    result = await search(database, nobody, TOOL)
    assert [(error.extensions or {})["code"] for error in result.errors or []] == ["FORBIDDEN"]
    assert statements == []


async def test_costs_one_statement_and_shows_nothing_of_others(
    database: Database, tenant: Tenant, other_tenant: Tenant, statements: Statements
) -> None:
    await make_trail(database, other_tenant)
    statements.clear()
    result = await search(database, person(tenant), DASHBOARD)
    assert result.data is not None
    assert result.data["auditLog"]["nodes"] == []
    assert len(statements) == 1, "\n\n".join(statements)
