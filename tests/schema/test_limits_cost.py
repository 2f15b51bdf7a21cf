"""What an operation costs, counted on a small schema of its own."""

import pytest
from graphql import build_schema, get_operation_ast, get_variable_values, parse
from hypothesis import given
from hypothesis import strategies as st

from hub_schema.cost import ASSUMED_LIST_LENGTH, cost_of

SCHEMA = build_schema("""
    type Query { hosts(first: Int! = 20): HostConnection! host: Host names: [String!]! }
    type HostConnection { total: Int! nodes: [Host!]! edges: [HostEdge!]! }
    type HostEdge { cursor: String! node: Host! }
    type Host { name: String! tags: [String!]! disks: [Disk!]! peers(first: Int = 5): HostConnection! }
    type Disk { path: String! }
""")  # noqa: E501 - one type a line reads best


def cost(text: str, **variables: object) -> int:
    """Return the cost of the document's only operation."""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    values = get_variable_values(SCHEMA, operation.variable_definitions or (), variables)
    assert not isinstance(values, list)
    return cost_of(SCHEMA, document, operation, values)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ host { name } }", 2),
        ("{ names host { tags } }", 3),
        ("{ hosts(first: 3) { total } }", 1 + 3),
        ("{ hosts(first: 3) { nodes { name } } }", 1 + 3 + 3),
        ("{ hosts { nodes { name } } }", 1 + 20 + 20),
        ("{ hosts(first: 3) { edges { cursor node { name } } } }", 1 + 3 + 3 + 3 + 3),
        ("{ host { disks { path } } }", 2 + ASSUMED_LIST_LENGTH),
        ("{ host { peers { total } } }", 2 + 5),
        ("{ hosts(first: 0) { total } }", 1 + 1),
        ("{ hosts(first: -9) { total } }", 1 + 1),
        ("{ hosts(first: 9) { ...F } } fragment F on HostConnection { nodes { name } }", 1 + 9 + 9),
        ("{ hosts(first: 9) { ... on HostConnection { total } } }", 1 + 9),
        ("{ __schema { types { fields { name } } } }", 4),
    ],
)
def test_costs_what_the_answer_can_hold(document: str, expected: int) -> None:
    assert cost(document) == expected


@pytest.mark.parametrize(("variables", "expected"), [({"n": 7}, 8), ({}, 9), ({"n": None}, 2)])
def test_page_sizes_come_from_variables(variables: dict[str, object], expected: int) -> None:
    document = "query A($n: Int = 8) { hosts(first: $n) { total } }"
    assert cost(document, **variables) == expected


def test_nested_pages_multiply() -> None:
    inner = (
        "hosts(first: 100) { nodes { peers(first: 100) { nodes { peers(first: 100) { total }}}}}"
    )
    assert cost(f"{{ {inner} }}") == 1 + 100 + 100 + 10_000 + 10_000 + 1_000_000


@given(st.integers(1, 60))
def test_fragments_that_double_are_added_up_not_expanded(count: int) -> None:
    chain = " ".join(
        f"fragment F{n} on Query {{ ...F{n + 1} a{n}: names ...F{n + 1} }}" for n in range(count)
    )
    document = f"{{ ...F0 }} {chain} fragment F{count} on Query {{ names }}"
    assert cost(document) == 2 ** (count + 1) - 1
