"""The audit writer: durable before the answer, in shared commits, and one's loss is no other's."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlmodel import col, select
from structlog.testing import capture_logs

from hub.audit.commands import ToolCall
from hub.audit.models import AuditRow, McpCall
from hub.audit.verify import Verification, verify_chain
from hub.audit.writer import AuditWriter
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.errors import Unavailable
from hub.lean import LeanPool
from hub.tenancy.models import Tenant


def tool_call(tenant_id: UUID, *, tool_name: str = "monsys_list_alerts") -> ToolCall:
    """Return a call of nobody in particular."""
    return ToolCall(
        tenant_id=tenant_id,
        user_id=uuid4(),
        actor="operator@example.com",
        tool_name=tool_name,
        args_hash="0" * 64,
        result_status="success",
        duration_ms=3,
        client_id="mcp_test",
    )


async def logged(database: Database, tenant: Tenant) -> list[str]:
    """Return the names of the tools in the tenant's call log, sorted."""
    async with database.transaction(tenant_id=tenant.id) as session:
        return sorted(await session.scalars(select(col(McpCall.tool_name))))


async def verified(database: Database, tenant: Tenant) -> Verification:
    """Return what verifying the tenant's chain finds."""
    async with database.transaction(tenant_id=tenant.id) as session:
        return await verify_chain(session, tenant_id=tenant.id)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Count the transactions of the writer."""
    counted: list[None] = []
    transaction = LeanPool.transaction

    def count(pool: LeanPool, **options: Any) -> Any:
        counted.append(None)
        return transaction(pool, **options)

    monkeypatch.setattr(LeanPool, "transaction", count)
    return counted


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Capture what is logged."""
    with capture_logs() as captured:
        yield captured


async def test_a_hundred_concurrent_calls_share_their_commits(
    database: Database, tenant: Tenant, commits: list[None]
) -> None:
    calls = [tool_call(tenant.id, tool_name=f"tool_{number:03}") for number in range(100)]
    async with AuditWriter(database) as writer:
        await asyncio.gather(*(writer.record(call) for call in calls))
    assert len(commits) == 1
    assert await logged(database, tenant) == [call.tool_name for call in calls]
    assert await verified(database, tenant) == Verification(100, None)


async def test_calls_that_arrive_during_a_commit_share_the_next_one(
    database: Database, tenant: Tenant, commits: list[None]
) -> None:
    async with AuditWriter(database) as writer:
        waiting = []
        for number in range(100):
            waiting.append(asyncio.create_task(writer.record(tool_call(tenant.id))))
            if number % 10 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*waiting)
    assert len(commits) <= 10
    assert await verified(database, tenant) == Verification(100, None)


async def test_two_hubs_write_one_chain(database: Database, tenant: Tenant) -> None:
    async with AuditWriter(database) as one, AuditWriter(database) as other:
        await asyncio.gather(
            *(writer.record(tool_call(tenant.id)) for _ in range(50) for writer in (one, other))
        )
    assert await verified(database, tenant) == Verification(100, None)


async def test_calls_of_several_tenants_in_one_batch_stay_apart(
    database: Database, tenant: Tenant, other_tenant: Tenant, commits: list[None]
) -> None:
    async with AuditWriter(database) as writer:
        await asyncio.gather(
            writer.record(tool_call(tenant.id, tool_name="mine")),
            writer.record(tool_call(other_tenant.id, tool_name="theirs")),
        )
    assert len(commits) == 1
    assert await logged(database, tenant) == ["mine"]
    assert await logged(database, other_tenant) == ["theirs"]


@pytest.mark.usefixtures("logs")
async def test_every_caller_learns_that_the_database_is_down(postgres: EmbeddedPostgres) -> None:
    nowhere = Database(postgres.hub_url("no_such_database"), pool_size=1)
    async with AuditWriter(nowhere) as writer:
        outcomes = await asyncio.gather(
            *(writer.record(tool_call(uuid4())) for _ in range(10)), return_exceptions=True
        )
    await nowhere.close()
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 10


@pytest.mark.usefixtures("logs")
async def test_writing_goes_on_after_a_failure(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AuditWriter(database) as writer:
        with monkeypatch.context() as broken:
            broken.setattr(writer, "_write", _lose_the_connection)
            with pytest.raises(Unavailable):
                await writer.record(tool_call(tenant.id, tool_name="lost"))
        await writer.record(tool_call(tenant.id, tool_name="kept"))
    assert await logged(database, tenant) == ["kept"]


async def _lose_the_connection(_calls: object) -> None:
    raise ConnectionResetError


async def test_a_call_that_cannot_be_stored_fails_alone(
    database: Database, tenant: Tenant, logs: list[Any]
) -> None:
    deleted_tenant = uuid4()
    calls = [tool_call(tenant.id) for _ in range(5)]
    calls.insert(2, tool_call(deleted_tenant))
    async with AuditWriter(database) as writer:
        outcomes = await asyncio.gather(
            *(writer.record(call) for call in calls), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [
        type(None), type(None), Unavailable, type(None), type(None), type(None),
    ]  # fmt: skip
    assert await verified(database, tenant) == Verification(5, None)
    assert [(entry["event"], entry["calls"]) for entry in logs] == [("audit_write_failed", 1)]


@pytest.mark.parametrize(
    ("tool_name", "stored"),
    [
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\ud800b", "a?b"),
        ("a" * 5000, "a" * 200),
    ],
)
async def test_a_strange_tool_name_does_not_cost_the_row(
    tool_name: str, stored: str, database: Database, tenant: Tenant
) -> None:
    async with AuditWriter(database) as writer:
        await writer.record(tool_call(tenant.id, tool_name=tool_name))
    assert await logged(database, tenant) == [stored]
    assert await verified(database, tenant) == Verification(1, None)


async def test_the_row_of_a_caller_that_hung_up_is_still_written(
    database: Database, tenant: Tenant
) -> None:
    async with AuditWriter(database) as writer:
        gone = asyncio.create_task(writer.record(tool_call(tenant.id, tool_name="gone")))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await writer.record(tool_call(tenant.id, tool_name="here"))
    assert await logged(database, tenant) == ["gone", "here"]


async def test_a_writer_that_is_closed_says_so(database: Database, tenant: Tenant) -> None:
    async with AuditWriter(database) as writer:
        pass
    with pytest.raises(Unavailable):
        await writer.record(tool_call(tenant.id))


async def test_a_call_is_in_the_log_and_in_the_trail_without_its_arguments(
    database: Database, tenant: Tenant
) -> None:
    call = tool_call(tenant.id)
    async with AuditWriter(database) as writer:
        await writer.record(call)
    async with database.transaction(tenant_id=tenant.id) as session:
        row = (await session.execute(text("SELECT * FROM mcp_call_log"))).mappings().one()
        entry = (await session.scalars(select(AuditRow))).one()
    assert set(row) == {
        "id", "tenant_id", "user_id", "tool_name", "args_hash", "result_status", "duration_ms",
        "called_at",
    }  # fmt: skip
    assert (row["tool_name"], row["args_hash"], row["duration_ms"]) == (
        "monsys_list_alerts", "0" * 64, 3,
    )  # fmt: skip
    assert (entry.event_type, entry.actor, entry.actor_kind, entry.outcome, entry.body) == (
        "mcp_tool_invoked", "operator@example.com", "connector", "success", None,
    )  # fmt: skip
    assert entry.details == {
        "tool_name": "monsys_list_alerts",
        "args_hash": "0" * 64,
        "duration_ms": 3,
        "client_id": "mcp_test",
    }
