"""What an operation may cost at most: the number of fields that its answer can hold.

Every field counts 1. What stands below a field with the argument `first` counts that many times
(its value may come from a variable or a default); what stands below any other list of objects
counts ASSUMED_LIST_LENGTH times. The lists inside a connection (`nodes`, `edges`) count once: the
connection's own `first` has multiplied them already. Fields under `__schema` and `__type` count 1
each; their own limits bound them.

Call it on a valid document: like `hub_schema.shape` it walks each definition once and adds
fragments up in the order in which they use each other.
"""

from collections.abc import Mapping
from graphlib import TopologicalSorter

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableValues,
    Visitor,
    get_argument_values,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    visit,
)

ASSUMED_LIST_LENGTH = 10


def cost_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: VariableValues,
) -> int:
    """Return the most that this operation can cost with these variables."""
    fragments = {
        node.name.value: _walked(schema, node, variables)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    uses = {name: {used for used, _ in spreads} for name, (_, spreads) in fragments.items()}
    totals: dict[str, int] = {}
    for name in TopologicalSorter(uses).static_order():
        totals[name] = _total(fragments[name], totals)
    return _total(_walked(schema, operation, variables), totals)


type _Walked = tuple[int, list[tuple[str, int]]]  # own cost; fragments used, and how many times


def _total(walked: _Walked, totals: Mapping[str, int]) -> int:
    own, spreads = walked
    return own + sum(times * totals[fragment] for fragment, times in spreads)


def _walked(schema: GraphQLSchema, node: Node, variables: VariableValues) -> _Walked:
    type_info = TypeInfo(schema)
    meter = _Meter(type_info, variables)
    visit(node, TypeInfoVisitor(type_info, meter))
    return meter.cost, meter.spreads


class _Meter(Visitor):
    """Adds up one definition; `_times` is how often the level that is being walked can occur."""

    def __init__(self, type_info: TypeInfo, variables: VariableValues) -> None:
        super().__init__()
        self.cost = 0
        self.spreads: list[tuple[str, int]] = []
        self._type_info = type_info
        self._variables = variables
        self._times = [1]

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Count the field, then multiply what stands below it."""
        self.cost += self._times[-1]
        self._times.append(self._times[-1] * self._length(node))

    def leave_field(self, *_: object) -> None:
        """Step back up."""
        self._times.pop()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        """Note how often the fragment can occur."""
        self.spreads.append((node.name.value, self._times[-1]))

    def _length(self, node: FieldNode) -> int:
        """Return how many objects this field can hold."""
        field, parent = self._type_info.get_field_def(), self._type_info.get_parent_type()
        if field is None or parent is None or parent.name.startswith("__"):
            return 1
        if "first" in field.args:
            return self._page_size(node, field)
        is_objects = is_list_type(get_nullable_type(field.type)) and not is_leaf_type(
            get_named_type(field.type)
        )
        return ASSUMED_LIST_LENGTH if is_objects and not parent.name.endswith("Connection") else 1

    def _page_size(self, node: FieldNode, field: GraphQLField) -> int:
        """Return `first` as it will be; a value that the field will refuse costs nothing."""
        try:
            first = get_argument_values(field, node, self._variables).get("first")
        except GraphQLError:
            return 1
        return max(first, 1) if isinstance(first, int) else 1
