"""The operation files: parsed, checked and digested once, when the hub starts."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
    visit,
)

from hub.principal import Permission
from hub_schema.directives import NEVER_TO_CLAUDE, Egress, EgressClass, Requires
from hub_schema.schema import schema

GRAPHQL_SCHEMA: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry has no public name for it


class OperationError(Exception):
    """An operation file breaks a rule of the house; the hub does not start with it."""


@dataclass(frozen=True)
class SelectedField:
    """One field that an operation selects."""

    path: str  # response path, by alias: `alerts.alerts.opened_at`
    coordinate: str  # schema coordinate: `Alert.openedAt`
    permission: Permission | None
    egress: EgressClass | None
    is_leaf: bool


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation file."""

    name: str  # the file's name, which is the tool's name
    audience: str  # the folder: `mcp` or `dashboard`
    text: str
    document: DocumentNode
    definition: OperationDefinitionNode
    document_id: str  # `sha256:…`, GraphQL over HTTP, appendix A
    fields: tuple[SelectedField, ...]

    @property
    def is_mutation(self) -> bool:
        """Whether the operation changes anything."""
        return self.definition.operation is OperationType.MUTATION

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything that a caller must be allowed to run the whole operation."""
        return frozenset(field.permission for field in self.fields if field.permission)


def field_facts(field: GraphQLField) -> tuple[Permission | None, EgressClass | None]:
    """Return what the field requires and what kind of information it holds."""
    definition = (field.extensions or {}).get("strawberry-definition")
    permission: Permission | None = None
    egress: EgressClass | None = None
    for directive in getattr(definition, "directives", ()):
        if isinstance(directive, Requires):
            permission = Permission(directive.permission)
        elif isinstance(directive, Egress):
            egress = directive.class_
    return permission, egress


def permissions_of(document: DocumentNode) -> frozenset[Permission]:
    """Return everything that a caller must be allowed to run all of a document."""
    return frozenset(field.permission for field in _selected_fields(document) if field.permission)


def operation_of(name: str, audience: str, text: str) -> Operation:
    """Return the operation in this text; raise OperationError when it breaks a rule."""
    document = parse(text)
    if errors := validate(GRAPHQL_SCHEMA, document):
        raise OperationError(f"{name}: {errors[0].message}")
    definitions = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    if len(definitions) != 1:
        raise OperationError(f"{name}: a file holds exactly one operation.")
    operation = Operation(
        name=name,
        audience=audience,
        text=text,
        document=document,
        definition=definitions[0],
        document_id=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        fields=tuple(_selected_fields(document)),
    )
    if audience == "mcp":
        if operation.definition.operation is OperationType.SUBSCRIPTION:
            raise OperationError(f"{name}: a tool answers once; it cannot be a subscription.")
        _refuse_what_must_not_pass(operation)
    return operation


def _refuse_what_must_not_pass(operation: Operation) -> None:
    for field in operation.fields:
        if field.is_leaf and (field.egress is None or field.egress in NEVER_TO_CLAUDE):
            kind = field.egress.value if field.egress else "of no declared class"
            raise OperationError(
                f"{operation.name}: {field.coordinate} is {kind} and must not pass to Claude."
            )


def _selected_fields(document: DocumentNode) -> list[SelectedField]:
    type_info = TypeInfo(GRAPHQL_SCHEMA)
    collector = _FieldCollector(type_info)
    for definition in visit(document, _FragmentSpreader(document)).definitions:
        if isinstance(definition, OperationDefinitionNode):
            visit(definition, TypeInfoVisitor(type_info, collector))
    return collector.fields


class _FragmentSpreader(Visitor):
    """Puts fragments where they are used, so that each field's path is where it stands."""

    def __init__(self, document: DocumentNode) -> None:
        super().__init__()
        self.fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> InlineFragmentNode:
        """Return the fragment's selections in its place; validation has refused circles."""
        fragment = self.fragments[node.name.value]
        return InlineFragmentNode(
            type_condition=fragment.type_condition,
            directives=node.directives,
            selection_set=fragment.selection_set,
        )


class _FieldCollector(Visitor):
    """Walks a document and notes every field it selects."""

    def __init__(self, type_info: TypeInfo) -> None:
        super().__init__()
        self.type_info = type_info
        self.path: list[str] = []
        self.fields: list[SelectedField] = []

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Note the field with its facts."""
        self.path.append(node.alias.value if node.alias else node.name.value)
        field, parent = self.type_info.get_field_def(), self.type_info.get_parent_type()
        if field is None or parent is None or node.name.value == "__typename":  # no data of ours
            return
        permission, egress = field_facts(field)
        self.fields.append(
            SelectedField(
                path=".".join(self.path),
                coordinate=f"{parent.name}.{node.name.value}",
                permission=permission,
                egress=egress,
                is_leaf=is_leaf_type(get_named_type(field.type)),
            )
        )

    def leave_field(self, *_: object) -> None:
        """Step back to the parent."""
        self.path.pop()


def _files(audience: str) -> Iterator[tuple[str, str]]:
    folder = files("hub_schema") / "operations" / audience
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".graphql"):
            yield entry.name.removesuffix(".graphql"), entry.read_text("utf-8")


@cache
def operations(audience: str) -> dict[str, Operation]:
    """Return the operations of a folder, by name, in alphabetical order."""
    return {name: operation_of(name, audience, text) for name, text in _files(audience)}


@cache
def operations_by_document_id() -> dict[str, Operation]:
    """Return every operation file by its document id."""
    return {
        operation.document_id: operation
        for audience in ("dashboard", "mcp")
        for operation in operations(audience).values()
    }
