"""Searching the audit trail: filters, order, pages, isolation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.audit import queries
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.audit.queries import AUDIT, AuditEntry, audit_page, event_type_of
from hub.database import Database
from hub.errors import InvalidInput
from hub.paging import Page
from hub.tenancy.models import Tenant
from tests.conftest import Statements

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def append(database: Database, tenant: Tenant, at: datetime, **columns: Any) -> None:
    """Append one event that happened then."""
    fields: dict[str, Any] = {
        "event_type": EventType.SIGNED_IN,
        "actor": "anna@example.com",
        "actor_kind": "session",
    } | columns
    async with database.transaction(tenant_id=tenant.id) as session:
        await append_events(session, tenant_id=tenant.id, events=[AuditEvent(**fields)], at=at)


async def search(
    database: Database, tenant: Tenant, *, first: int = 20, **arguments: Any
) -> Page[AuditEntry]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await audit_page(session, first=first, **arguments)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"event_type": EventType.MCP_TOOL_INVOKED}, [3, 2]),
        ({"actor": "anna@example.com"}, [2, 1]),
        ({"actor": " ANNA"}, [2, 1]),
        ({"actor": "example"}, []),
        ({"actor": "a%m"}, []),
        ({"since": MONDAY + HOUR}, [4, 3, 2]),
        ({"until": MONDAY + HOUR}, [1]),
        ({"since": MONDAY + HOUR, "until": MONDAY + 3 * HOUR, "actor": "bob"}, [3]),
    ],
)
async def test_finds_by_type_actor_and_time_newest_first(
    arguments: dict[str, Any], found: list[int], database: Database, tenant: Tenant
) -> None:
    called = EventType.MCP_TOOL_INVOKED
    await append(database, tenant, MONDAY)
    await append(database, tenant, MONDAY + HOUR, event_type=called)
    await append(database, tenant, MONDAY + 2 * HOUR, event_type=called, actor="Bob@example.com")
    await append(database, tenant, MONDAY + 3 * HOUR, actor="monsys")
    page = await search(database, tenant, **arguments)
    assert [row.seq for row in page.rows] == found
    assert (page.total, page.has_next) == (len(found), False)


async def test_pages_show_every_row_once_also_within_one_moment(
    database: Database, tenant: Tenant
) -> None:
    for _ in range(5):
        await append(database, tenant, MONDAY)
    seen: list[int] = []
    after = None
    while True:
        page = await search(database, tenant, first=2, after=after)
        assert page.total == 5
        seen += [row.seq for row in page.rows]
        if not page.has_next:
            break
        after = AUDIT.cursor_at(page.rows[-1])
    assert seen == [5, 4, 3, 2, 1]


async def test_the_total_is_counted_up_to_a_bound(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_COUNTED", 3)
    for _ in range(5):
        await append(database, tenant, MONDAY)
    page = await search(database, tenant, first=2)
    assert (page.total, page.has_next) == (3, True)


async def test_a_search_is_one_statement(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    await search(database, tenant, actor="anna", since=MONDAY)
    assert len(statements) == 1, "\n\n".join(statements)


async def test_another_tenant_finds_nothing(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await append(database, tenant, MONDAY)
    assert (await search(database, other_tenant)).rows == []


def test_an_event_type_is_one_of_ours() -> None:
    assert event_type_of(" MCP_tool_invoked ") is EventType.MCP_TOOL_INVOKED
    with pytest.raises(InvalidInput, match=r"must be one of: .*mcp_tool_invoked") as refusal:
        event_type_of("mcp_tool")
    assert refusal.value.field == "event_type"
