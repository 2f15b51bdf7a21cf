"""Reads plain data the short way: compiled readers for the parts of an operation without code.

graphql-core completes each value with a path, an info object and a dozen checks: about 7 µs a
field, 0.7 ms for a page of ten alerts, which was most of what a call cost. Operation files are
known when the hub starts, so the parts of them that only read attributes are compiled once.

A plan decides nothing. graphql-core executes the operation: it coerces variables, collects fields,
calls resolvers (and with them every permission check) and reports errors. Only where a selected
field is a stored attribute, with nothing but stored attributes below it, its reader is tried first.
A reader takes exactly the types that the schema promises. At anything else (a null in the wrong
place, a number out of range, a subclass, something to await) it gives up, and graphql-core
completes that field in its own way and with its own errors. `tests/schema/test_plan.py` compares.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, override

from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
)
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from hub_schema.readers import NotPlain, Read, enum_reader, list_reader, scalar_reader


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read one selected field of instances of one class, down to its leaves."""

    parent: GraphQLObjectType
    origin: type
    read: Read


# By the identity of the field's node; the document lives as long as its plan.
type Plan = Mapping[int, Reader]


class PlannedExecutor(Executor[Any]):
    """graphql-core's executor; tries a field's compiled reader before it goes the long way."""

    def __init__(self, *args: Any, plan: Plan, **options: Any) -> None:
        super().__init__(*args, **options)
        self.plan = plan

    @override
    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: Any,
        path: Any,
        position_context: Any,
    ) -> Any:
        """Read the field, or resolve and complete it."""
        reader = self.plan.get(id(field_details_list[0].node))
        if (
            reader is not None
            and type(source) is reader.origin
            and parent_type is reader.parent
            and len(field_details_list) == 1  # else the field is selected twice, and merged
        ):
            try:
                return reader.read(source)
            except Exception:  # noqa: BLE001, S110 - whatever it is, graphql-core meets it again
                pass
        return super().execute_field(
            parent_type, source, field_details_list, path, position_context
        )


def execute_planned(
    schema: GraphQLSchema,
    document: DocumentNode,
    plan: Plan,
    *,
    context_value: object,
    variable_values: dict[str, Any],
) -> Any:
    """Return the result of `graphql.execute`, or something to await for it."""
    executor = PlannedExecutor.build(
        schema,
        document,
        context_value=context_value,
        raw_variable_values=variable_values,
        plan=plan,
    )
    if isinstance(executor, list):
        return ExecutionResult(data=None, errors=executor)
    return executor.execute_operation()


def compile_plan(schema: GraphQLSchema, document: DocumentNode) -> Plan:
    """Return a reader for every plain field that the document selects."""
    compiler = _Compiler(schema, document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            root = schema.get_root_type(definition.operation)
            if root is not None:
                compiler.add_readers(root, definition.selection_set)
    return compiler.plan


class _Compiler:
    """Compiles one document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.schema = schema
        self.fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self.plan: dict[int, Reader] = {}

    def add_readers(self, parent: GraphQLObjectType, selections: SelectionSetNode) -> None:
        """Compile what is plain among the selected fields and below them."""
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                self._add_reader(parent, selection)
                continue
            condition, body = self._fragment(parent, selection)
            if isinstance(condition, GraphQLObjectType):
                self.add_readers(condition, body)

    def _add_reader(self, parent: GraphQLObjectType, node: FieldNode) -> None:
        field = parent.fields.get(node.name.value)
        if field is None:  # __typename
            return
        # Else graphql-core calls the resolver; below its answer there may be plain fields.
        with suppress(NotPlain):
            self.plan[id(node)] = Reader(parent, _origin(parent), self._field(parent, node))
        below = get_named_type(field.type)
        if node.selection_set and isinstance(below, GraphQLObjectType):
            self.add_readers(below, node.selection_set)

    def _fragment(
        self, parent: GraphQLObjectType, selection: SelectionNode
    ) -> tuple[GraphQLNamedType | None, SelectionSetNode]:
        """Return the type that the fragment is for, and what it selects."""
        fragment: Any = selection
        if isinstance(selection, FragmentSpreadNode):
            fragment = self.fragments[selection.name.value]
        condition = fragment.type_condition
        type_ = self.schema.type_map.get(condition.name.value) if condition else parent
        return type_, fragment.selection_set

    def _field(self, parent: GraphQLObjectType, node: FieldNode) -> Read:
        """Return the reader of a field from its object; raise NotPlain when code is involved."""
        name = node.name.value
        if name == "__typename":
            return lambda _: parent.name
        field = parent.fields[name]
        definition = field.extensions.get("strawberry-definition")
        if (
            not isinstance(definition, StrawberryField)
            or not definition.is_basic_field
            or definition.default_resolver is not getattr
            or not getattr(field.resolve, "_is_default", False)
        ):
            raise NotPlain
        attribute = attrgetter(definition.python_name)
        value = self._value(field.type, node)
        return lambda source: value(attribute(source))

    def _value(self, type_: GraphQLOutputType, node: FieldNode) -> Read:
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, node)  # a present value's reader refuses None
        present = self._present(type_, node)
        return lambda value: None if value is None else present(value)

    def _present(self, type_: GraphQLOutputType, node: FieldNode) -> Read:
        match type_:
            case GraphQLList():
                return list_reader(self._value(type_.of_type, node))
            case GraphQLObjectType():
                return self._object(type_, node)
            case GraphQLEnumType():
                return enum_reader(type_)
            case GraphQLScalarType():
                return scalar_reader(type_)
        raise NotPlain  # interfaces and unions: the value decides about its type

    def _object(self, type_: GraphQLObjectType, node: FieldNode) -> Read:
        origin = _origin(type_)
        if node.selection_set is None:
            raise NotPlain
        nodes = self._plain_fields(type_, node.selection_set)
        fields = {_response_key(field): self._field(type_, field) for field in nodes}
        if len(fields) < len(nodes):
            raise NotPlain  # selected twice: graphql-core merges
        items = tuple(fields.items())

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not origin:
                raise NotPlain
            return {key: read_field(value) for key, read_field in items}

        return read

    def _plain_fields(
        self, parent: GraphQLObjectType, selections: SelectionSetNode
    ) -> list[FieldNode]:
        """Return the fields, fragments spread out; raise NotPlain where the moment decides."""
        nodes: list[FieldNode] = []
        for selection in selections.selections:
            if selection.directives:
                raise NotPlain
            if isinstance(selection, FieldNode):
                nodes.append(selection)
                continue
            condition, body = self._fragment(parent, selection)
            if condition is not parent:
                raise NotPlain
            nodes += self._plain_fields(parent, body)
        return nodes


def _response_key(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value


def _origin(type_: GraphQLObjectType) -> type:
    """Return the class whose instances this type shows; raise NotPlain when it looks closer."""
    definition = type_.extensions.get("strawberry-definition")
    if type_.is_type_of is not None or not isinstance(definition, StrawberryObjectDefinition):
        raise NotPlain
    return definition.origin
