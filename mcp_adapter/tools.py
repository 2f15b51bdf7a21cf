"""The tools: one for each operation file, everything about them derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from hub.principal import SCOPE_BY_PERMISSION, Permission, Scope
from hub_schema.directives import Effect
from hub_schema.operations import GRAPHQL_SCHEMA, Operation, OperationError, operations
from mcp_adapter.argument_names import arguments_by_variable
from mcp_adapter.compact import compacted
from mcp_adapter.input_schema import JsonSchema, input_schema
from mcp_adapter.output_schema import output_schema, root_field


@dataclass(frozen=True, eq=False)
class Tool:
    """One tool, as clients see it and as it is run."""

    operation: Operation
    title: str
    description: str
    input_schema: JsonSchema
    output_schema: JsonSchema
    scopes: frozenset[Scope]
    annotations: Mapping[str, Any]
    root: str  # the response key of the root field
    variables: Mapping[str, str]  # GraphQL argument → the tool's argument

    @property
    def name(self) -> str:
        """The operation file's name."""
        return self.operation.name

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The entry of tools/list."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": compacted(self.output_schema),
            "annotations": dict(self.annotations),
        }


def tool_of(operation: Operation) -> Tool:
    """Return the tool of an operation; raise OperationError when it must not be one."""
    described = operation.definition.description
    title, _, rest = (described.value if described else "").strip().partition("\n")
    if not title or not rest.strip():
        raise OperationError(f"{operation.name}: a tool has a title and a description.")
    root = root_field(operation)
    title = title.strip()
    return Tool(
        operation=operation,
        title=title,
        description=" ".join(rest.split()),
        input_schema=input_schema(operation),
        output_schema=output_schema(operation),
        scopes=_scopes(operation),
        annotations={"title": title, **_hints(operation), "openWorldHint": False},
        root=root.alias.value if root.alias else root.name.value,
        variables={
            argument: variable
            for variable, argument in arguments_by_variable(operation.document).items()
        },
    )


@cache
def tools() -> dict[str, Tool]:
    """Return all tools by name, in alphabetical order."""
    return {name: tool_of(operation) for name, operation in operations("mcp").items()}


def _scopes(operation: Operation) -> frozenset[Scope]:
    """Return the scopes that a token needs for the whole operation.

    A root field without a permission, or a permission that no scope grants, makes the operation
    unloadable: that is why no tool can reach an emergency action or an owner's settings.
    """
    root = next(field for field in operation.fields if "." not in field.path)
    if root.permission is None:
        raise OperationError(f"{operation.name}: {root.coordinate} requires no permission.")
    return frozenset(
        _scope_of(operation, permission) for permission in sorted(operation.permissions)
    )


def _scope_of(operation: Operation, permission: Permission) -> Scope:
    try:
        return SCOPE_BY_PERMISSION[permission]
    except KeyError:
        raise OperationError(
            f"{operation.name}: no scope of the connector grants {permission.value}."
        ) from None


def _hints(operation: Operation) -> dict[str, bool]:
    """Return what a client may assume about calling the tool."""
    if not operation.is_mutation:
        return {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}
    effect = _effect(operation)
    if effect.destructive:
        raise OperationError(f"{operation.name}: a destructive mutation never becomes a tool.")
    return {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": effect.idempotent}


def _effect(operation: Operation) -> Effect:
    """Return what the mutation's field declares about its effect."""
    mutation = GRAPHQL_SCHEMA.mutation_type
    field = mutation.fields[root_field(operation).name.value] if mutation else None
    definition = ((field.extensions if field else None) or {}).get("strawberry-definition")
    for directive in getattr(definition, "directives", ()):
        if isinstance(directive, Effect):
            return directive
    raise OperationError(f"{operation.name}: its mutation does not declare its effect.")
