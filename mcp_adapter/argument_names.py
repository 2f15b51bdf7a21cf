"""Which GraphQL argument each variable of an operation feeds, and back."""

from graphql import (
    ArgumentNode,
    DocumentNode,
    ObjectFieldNode,
    VariableNode,
    Visitor,
    visit,
)


def arguments_by_variable(document: DocumentNode) -> dict[str, str]:
    """Return, for each variable, the argument or input field that it feeds: `limit` → `first`."""
    collector = _ArgumentCollector()
    visit(document, collector)
    return collector.found


class _ArgumentCollector(Visitor):
    """Notes every `argument: $variable`, also inside an input object's literal."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        """Note an argument that is one variable."""
        self._note(node)

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> None:
        """Note an input field that is one variable."""
        self._note(node)

    def _note(self, node: ArgumentNode | ObjectFieldNode) -> None:
        if isinstance(node.value, VariableNode):
            self.found.setdefault(node.value.name.value, node.name.value)
