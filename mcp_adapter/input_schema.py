"""From an operation's variables to the JSON Schema (2020-12) of a tool's arguments."""

from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    VariableDefinitionNode,
    type_from_ast,
    value_from_ast_untyped,
)

from hub.paging import MAX_PAGE_SIZE
from hub_schema.operations import GRAPHQL_SCHEMA, Operation, OperationError
from mcp_adapter.argument_names import arguments_by_variable

type JsonSchema = dict[str, Any]

_SCALARS: dict[str, JsonSchema] = {
    "Boolean": {"type": "boolean"},
    "DateTime": {"type": "string", "format": "date-time", "maxLength": 64},
    "Float": {"type": "number"},
    "ID": {"type": "string", "maxLength": 200},
    "Int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "String": {"type": "string", "maxLength": 200},
    "UUID": {"type": "string", "format": "uuid"},
}
# What an argument is called in the GraphQL schema says more than its type does.
_BY_ARGUMENT: dict[str, JsonSchema] = {
    "first": {"minimum": 1, "maximum": MAX_PAGE_SIZE},
    "after": {"maxLength": 512},
    "note": {"maxLength": 2000},
}
_MAX_LIST_ITEMS = 50


def input_schema(operation: Operation) -> JsonSchema:
    """Return the schema of the tool's arguments; unknown ones are refused."""
    arguments = arguments_by_variable(operation.document)
    properties: dict[str, JsonSchema] = {}
    required: list[str] = []
    for node in operation.definition.variable_definitions or ():
        name = node.variable.name.value
        properties[name] = _argument_schema(operation, node, arguments.get(name))
        if _is_required(node):
            required.append(name)
    schema: JsonSchema = {"type": "object"}
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def _is_required(node: VariableDefinitionNode) -> bool:
    return isinstance(_type_of(node), GraphQLNonNull) and node.default_value is None


def _type_of(node: VariableDefinitionNode) -> GraphQLInputType | None:
    kind: GraphQLInputType | None = type_from_ast(GRAPHQL_SCHEMA, node.type)  # type: ignore[assignment]
    return kind


def _argument_schema(
    operation: Operation, node: VariableDefinitionNode, argument: str | None
) -> JsonSchema:
    name, kind = node.variable.name.value, _type_of(node)
    if kind is None or node.description is None:
        raise OperationError(f"{operation.name}: ${name} needs a known type and a description.")
    schema = _type_schema(kind) | _BY_ARGUMENT.get(argument or "", {})
    schema["description"] = " ".join(node.description.value.split())
    if node.default_value is not None:
        schema["default"] = value_from_ast_untyped(node.default_value)
    return schema


def _type_schema(kind: GraphQLInputType) -> JsonSchema:
    if isinstance(kind, GraphQLNonNull):
        return _type_schema(kind.of_type)
    if isinstance(kind, GraphQLList):
        return {"type": "array", "items": _type_schema(kind.of_type), "maxItems": _MAX_LIST_ITEMS}
    if isinstance(kind, GraphQLEnumType):
        return {"type": "string", "enum": list(kind.values)}
    if isinstance(kind, GraphQLInputObjectType):
        return _input_object_schema(kind)
    try:
        return dict(_SCALARS[kind.name])
    except KeyError:
        raise OperationError(f"The scalar {kind.name} has no JSON Schema yet.") from None


def _input_object_schema(kind: GraphQLInputObjectType) -> JsonSchema:
    required = [
        name
        for name, field in kind.fields.items()
        if isinstance(field.type, GraphQLNonNull) and field.default_value is None
    ]
    properties = {name: _type_schema(field.type) for name, field in kind.fields.items()}
    schema: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})
