"""From an operation's selection set to the JSON Schema of a tool's result."""

from collections.abc import Iterator

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    SelectionSetNode,
)

from hub_schema.operations import GRAPHQL_SCHEMA, Operation, OperationError
from mcp_adapter.input_schema import JsonSchema

_SCALARS: dict[str, JsonSchema] = {
    "Boolean": {"type": "boolean"},
    "Date": {"type": "string", "format": "date"},
    "DateTime": {"type": "string", "format": "date-time"},
    "Float": {"type": "number"},
    "ID": {"type": "string"},
    "Int": {"type": "integer"},
    "JSON": {"type": "object"},
    "String": {"type": "string"},
    "UUID": {"type": "string", "format": "uuid"},
}


# A result shows the value it has; a longer list of what it might have been is not worth its tokens.
_MAX_ENUM_VALUES = 10


def root_field(operation: Operation) -> FieldNode:
    """Return the operation's one root field: what is under it is the tool's result."""
    selections = operation.definition.selection_set.selections
    if len(selections) != 1 or not isinstance(selections[0], FieldNode):
        raise OperationError(f"{operation.name}: a tool has exactly one root field.")
    return selections[0]


def output_schema(operation: Operation) -> JsonSchema:
    """Return the schema of the result under the root field; its root is always an object."""
    return _Walk(operation).result()


class _Walk:
    """Follows one operation's selections through the schema's types."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.fragments = {
            node.name.value: node
            for node in operation.document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    def result(self) -> JsonSchema:
        """Return the schema of the whole result."""
        root = root_field(self.operation)
        root_type = GRAPHQL_SCHEMA.get_root_type(self.operation.definition.operation)
        if root_type is None:
            raise OperationError(f"{self.operation.name}: the schema has no such root type.")
        schema = self._value(root_type.fields[root.name.value].type, root.selection_set)
        if schema.get("type") != "object":
            # Clients before 2026-07-28 take an object only, and so does Claude.
            raise OperationError(f"{self.operation.name}: a tool's result must be an object.")
        return schema

    def _value(self, kind: GraphQLOutputType, selections: SelectionSetNode | None) -> JsonSchema:
        if isinstance(kind, GraphQLNonNull):
            return self._value(kind.of_type, selections)
        if isinstance(kind, GraphQLList):
            return {"type": "array", "items": self._value(kind.of_type, selections)}
        if isinstance(kind, GraphQLEnumType):
            return _enum_schema(kind)
        if isinstance(kind, GraphQLObjectType) and selections is not None:
            return self._object(kind, selections)
        if kind.name not in _SCALARS:
            raise OperationError(f"{self.operation.name}: {kind.name} cannot be in a result.")
        return dict(_SCALARS[kind.name])

    def _object(self, kind: GraphQLObjectType, selections: SelectionSetNode) -> JsonSchema:
        properties: dict[str, JsonSchema] = {}
        required: list[str] = []
        for node in self._fields(selections):
            name = node.alias.value if node.alias else node.name.value
            field_type = kind.fields[node.name.value].type
            properties[name] = self._value(field_type, node.selection_set)
            # Nulls are dropped from results, so what may be null may be absent.
            if isinstance(field_type, GraphQLNonNull):
                required.append(name)
        schema: JsonSchema = {"type": "object", "properties": properties}
        return schema | ({"required": required} if required else {})

    def _fields(self, selections: SelectionSetNode) -> Iterator[FieldNode]:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, FragmentSpreadNode):
                yield from self._fields(self.fragments[node.name.value].selection_set)
            else:
                raise OperationError(f"{self.operation.name}: tools use no inline fragments.")


def _enum_schema(kind: GraphQLEnumType) -> JsonSchema:
    is_short = len(kind.values) <= _MAX_ENUM_VALUES
    return {"enum": list(kind.values)} if is_short else {"type": "string"}
