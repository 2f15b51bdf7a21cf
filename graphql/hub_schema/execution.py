"""Runs an operation that was checked at start: no parsing, no validation, no extensions."""

from collections.abc import Mapping

from graphql import ExecutionResult, execute

from hub_schema.context import Context
from hub_schema.errors import presented
from hub_schema.operations import GRAPHQL_SCHEMA, Operation


async def run_operation(
    operation: Operation, variables: Mapping[str, object], context: Context
) -> ExecutionResult:
    """Execute a registered operation; its errors carry codes and only words of ours."""
    outcome = execute(
        GRAPHQL_SCHEMA,
        operation.document,
        context_value=context,
        variable_values=dict(variables),
    )
    result = outcome if isinstance(outcome, ExecutionResult) else await outcome
    if result.errors:
        result.errors = [presented(error) for error in result.errors]
    return result
