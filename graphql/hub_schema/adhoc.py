"""Documents that a person writes: held to the limits, then executed like any other."""

from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    get_variable_values,
    parse,
    validate,
)

from hub_schema.context import Context
from hub_schema.cost import cost_of
from hub_schema.errors import presented
from hub_schema.limits import MAX_COST, check_shape, check_text, limit_exceeded
from hub_schema.operations import GRAPHQL_SCHEMA

_MAX_VALIDATION_ERRORS = 20
_OTHER_DOOR = {
    False: "Subscriptions go over the WebSocket of this address (graphql-transport-ws).",
    True: "The WebSocket takes subscriptions; send queries and mutations by POST.",
}


@dataclass(frozen=True, slots=True, eq=False)
class AdHocOperation:
    """A checked document, the operation of it that runs, and its variables."""

    document: DocumentNode
    definition: OperationDefinitionNode
    variables: dict[str, Any]

    @property
    def is_mutation(self) -> bool:
        """Whether the operation changes anything."""
        return self.definition.operation is OperationType.MUTATION

    async def run(self, context: Context) -> ExecutionResult:
        """Execute the operation; its errors carry codes and only words of ours."""
        name = self.definition.name
        outcome = execute(
            GRAPHQL_SCHEMA,
            self.document,
            context_value=context,
            variable_values=self.variables,
            operation_name=name.value if name else None,
        )
        result = outcome if isinstance(outcome, ExecutionResult) else await outcome
        if result.errors:
            await context.work.finish()
            result.errors = [presented(error) for error in result.errors]
        return result


def checked(
    text: str, variables: dict[str, Any], operation_name: str | None, *, is_live: bool = False
) -> AdHocOperation | ExecutionResult:
    """Return what may run, or the result that tells what is wrong with it.

    `is_live` takes subscriptions and nothing else, as the WebSocket does.
    """
    try:
        check_text(text)
        document = parse(text)
        check_shape(document)
    except GraphQLError as error:
        return _refused([error])
    if errors := validate(GRAPHQL_SCHEMA, document, max_errors=_MAX_VALIDATION_ERRORS):
        return _refused(errors)
    definition = _definition(document, operation_name, is_live=is_live)
    if isinstance(definition, GraphQLError):
        return _refused([definition])
    coerced = get_variable_values(GRAPHQL_SCHEMA, definition.variable_definitions or (), variables)
    if isinstance(coerced, list):
        return _refused(coerced)
    cost = cost_of(GRAPHQL_SCHEMA, document, definition, coerced)
    if cost > MAX_COST:
        return _refused([limit_exceeded("cost", allowed=MAX_COST, found=cost)])
    return AdHocOperation(document, definition, variables)


def _definition(
    document: DocumentNode, operation_name: str | None, *, is_live: bool
) -> OperationDefinitionNode | GraphQLError:
    """Return the operation that runs, or what is wrong with the choice."""
    definition = get_operation_ast(document, operation_name)
    if definition is None:
        return GraphQLError("`operationName` must name an operation of the document.")
    if (definition.operation is OperationType.SUBSCRIPTION) is not is_live:
        return GraphQLError(_OTHER_DOOR[is_live])
    return definition


def _refused(errors: list[GraphQLError]) -> ExecutionResult:
    return ExecutionResult(data=None, errors=[presented(error) for error in errors])
