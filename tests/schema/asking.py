"""Runs operation files as their faces do: one transaction of the caller's tenant each."""

from typing import Any

from hub.database import Database, UnitOfWork
from hub.principal import Principal
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import Operation, operations


def tool(name: str) -> Operation:
    """Return the operation of a tool."""
    return operations("mcp")[name]


def page(name: str) -> Operation:
    """Return an operation of the dashboard."""
    return operations("dashboard")[name]


async def ask(
    database: Database, principal: Principal, operation: Operation, **variables: Any
) -> Any:
    """Return what stands under the operation's root field; it must not fail."""
    data, errors = await outcome(database, principal, operation, **variables)
    assert errors == []
    assert data is not None
    (answer,) = data.values()
    return answer


async def refusal(
    database: Database, principal: Principal, operation: Operation, **variables: Any
) -> dict[str, Any]:
    """Return the extensions of the one error; there must be no data."""
    data, errors = await outcome(database, principal, operation, **variables)
    assert not any((data or {}).values())
    (error,) = errors
    return error


async def outcome(
    database: Database, principal: Principal, operation: Operation, **variables: Any
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return the data, and of each error its extensions and message."""
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        context = Context(UnitOfWork(session), principal, request_id="req-1")
        result = await run_operation(operation, variables, context)
    errors = [
        {**(error.extensions or {}), "message": error.message} for error in result.errors or []
    ]
    return result.data, errors
