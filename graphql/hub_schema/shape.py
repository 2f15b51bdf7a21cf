"""Measures a document without a schema and without recursion, in time linear in its text.

Each definition is walked once; fragments are added up in the order in which they use each other.
So a chain of fragments that doubles at each step costs an addition a step, where expanding it would
cost the doubling.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    Visitor,
    visit,
)

INTROSPECTION_ROOTS = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Spread:
    """Where a definition uses a fragment."""

    fragment: str
    depth: int
    in_introspection: bool


@dataclass(slots=True)
class Shape:
    """How much a definition asks for; depths count from the definition's own root."""

    fields: int = 0
    directives: int = 0
    root_fields: int = 0
    aliases: int = 0
    depth: int = 0
    introspection_depth: int = 0
    introspections: int = 0
    spreads: list[Spread] = field(default_factory=list)

    def include(self, spread: Spread, fragment: "Shape") -> None:
        """Add what the fragment asks for at this place."""
        self.aliases += fragment.aliases
        self.introspections += fragment.introspections
        if spread.depth == 0:
            self.root_fields += fragment.root_fields
        if spread.in_introspection:
            self._reach(introspection=spread.depth + fragment.depth)
        else:
            self._reach(spread.depth + fragment.depth, fragment.introspection_depth)

    def _reach(self, depth: int = 0, introspection: int = 0) -> None:
        self.depth = max(self.depth, depth)
        self.introspection_depth = max(self.introspection_depth, introspection)


def written_shapes(document: DocumentNode) -> list[Shape]:
    """Return the shape of every definition as it is written, fragments not expanded."""
    return [_walked(definition) for definition in document.definitions]


def operation_shapes(document: DocumentNode) -> Iterator[Shape]:
    """Yield the shape of every operation, fragments expanded.

    Yields nothing when fragments use each other in a circle: validation refuses that document.
    """
    fragments = {
        node.name.value: _walked(node)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    uses = {name: {use.fragment for use in shape.spreads} for name, shape in fragments.items()}
    try:
        order = [name for name in TopologicalSorter(uses).static_order() if name in fragments]
    except CycleError:
        return
    for name in order:
        fragments[name] = _expanded(fragments[name], fragments)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            yield _expanded(_walked(node), fragments)


def _expanded(written: Shape, fragments: dict[str, Shape]) -> Shape:
    shape = replace(written)
    for spread in written.spreads:
        if fragment := fragments.get(spread.fragment):
            shape.include(spread, fragment)
    return shape


def _walked(definition: object) -> Shape:
    measure = _Measure()
    visit(definition, measure)  # type: ignore[arg-type]  # any definition is a node
    return measure.shape


class _Measure(Visitor):
    """Counts what one definition holds; below `__schema` and `__type`, levels count apart."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = Shape()
        self._depth = 0
        self._introspection_root: int | None = None  # depth of the field that began it

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Count the field and step down."""
        shape = self.shape
        shape.fields += 1
        shape.root_fields += self._depth == 0
        shape.aliases += node.alias is not None
        if self._introspection_root is None and node.name.value in INTROSPECTION_ROOTS:
            shape.introspections += 1
            self._introspection_root = self._depth
        self._depth += 1
        if self._introspection_root is None:
            shape.depth = max(shape.depth, self._depth)
        else:
            level = self._depth - self._introspection_root
            shape.introspection_depth = max(shape.introspection_depth, level)

    def leave_field(self, *_: object) -> None:
        """Step back up."""
        self._depth -= 1
        if self._introspection_root == self._depth:
            self._introspection_root = None

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        """Note where the fragment is used."""
        inside = self._introspection_root is not None
        depth = self._depth - (self._introspection_root or 0)
        self.shape.spreads.append(Spread(node.name.value, depth, in_introspection=inside))

    def enter_directive(self, *_: object) -> None:
        """Count the directive."""
        self.shape.directives += 1
