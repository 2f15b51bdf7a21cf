"""Runs an operation that was checked at start: no parsing, no validation, no extensions."""

from collections.abc import Mapping
from functools import cache

from graphql import ExecutionResult

from hub_schema.context import Context
from hub_schema.errors import presented
from hub_schema.operations import GRAPHQL_SCHEMA, Operation
from hub_schema.plan import Plan, compile_plan, execute_planned


@cache
def plan_of(operation: Operation) -> Plan:
    """Return the operation's plan; operations are few and live as long as the process."""
    return compile_plan(GRAPHQL_SCHEMA, operation.document)


async def run_operation(
    operation: Operation, variables: Mapping[str, object], context: Context
) -> ExecutionResult:
    """Execute a registered operation; its errors carry codes and only words of ours."""
    outcome = execute_planned(
        GRAPHQL_SCHEMA,
        operation.document,
        plan_of(operation),
        context_value=context,
        variable_values=dict(variables),
    )
    result = outcome if isinstance(outcome, ExecutionResult) else await outcome
    if result.errors:
        await context.work.finish()
        result.errors = [presented(error) for error in result.errors]
    return result
