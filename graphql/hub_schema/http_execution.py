"""Runs an operation for one request: one transaction of the caller's tenant, all or nothing."""

from typing import Any, Protocol
from uuid import uuid4

from graphql import ExecutionResult
from starlette.requests import Request

from hub.database import Database, UnitOfWork
from hub.principal import Principal
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import Operation, operations


class Runnable(Protocol):
    """An operation with its variables, ready to be executed in a context."""

    @property
    def is_mutation(self) -> bool:
        """Whether it changes anything."""
        ...

    async def run(self, context: Context) -> ExecutionResult:
        """Execute it."""
        ...


class PersistedOperation:
    """An operation file with the variables of this request."""

    def __init__(self, operation: Operation, variables: dict[str, object]) -> None:
        self._operation = operation
        self._variables = variables
        self.is_mutation = operation.is_mutation

    async def run(self, context: Context) -> ExecutionResult:
        """Execute the file; it was parsed and validated when the hub started."""
        return await run_operation(self._operation, self._variables, context)


async def executed(request: Request, principal: Principal, runnable: Runnable) -> ExecutionResult:
    """Run in one transaction of the caller's tenant; a mutation with an error changes nothing."""
    database: Database = request.app.state.database
    request_id = getattr(request.state, "request_id", None) or uuid4().hex
    try:
        async with database.transaction(
            tenant_id=principal.tenant_id, user_id=principal.user_id
        ) as session:
            # Only where the hub is put together in full are there secrets to seal with.
            box = getattr(getattr(request.app.state, "oauth", None), "secret_box", None)
            context = Context(UnitOfWork(session), principal, request_id=request_id, secret_box=box)
            return _stored(runnable, await runnable.run(context))
    except _MutationFailedError as failed:
        return failed.result


async def dashboard_document(
    request: Request, principal: Principal, name: str
) -> dict[str, Any] | None:
    """Return what an operation file of the dashboard answers; None when it has errors."""
    result = await executed(
        request, principal, PersistedOperation(operations("dashboard")[name], {})
    )
    return None if result.errors else result.data


def _stored(runnable: Runnable, result: ExecutionResult) -> ExecutionResult:
    """Return what may be committed."""
    if runnable.is_mutation and result.errors:
        raise _MutationFailedError(result)
    return result


class _MutationFailedError(Exception):
    """Leaves the transaction the way that rolls it back."""

    def __init__(self, result: ExecutionResult) -> None:
        super().__init__()
        self.result = result
