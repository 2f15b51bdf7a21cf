"""Attacks with documents: each is refused, says which limit it broke, and costs next to nothing."""

import time

import pytest
from graphql import ExecutionResult, get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from hub_schema.adhoc import AdHocOperation, checked
from hub_schema.limits import MAX_CHARACTERS, MAX_COST, MAX_TOKENS, SHAPE_LIMITS

MAX_SECONDS = 0.5  # of a machine that does other things as well


def doubling_fragments(count: int, leaf: str) -> str:
    """Return fragments of which each uses the next one twice: 2 to the power of count leaves."""
    chain = (
        f"fragment F{number} on Query {{ ...F{number + 1} a{number}: __typename ...F{number + 1} }}"
        for number in range(count)
    )
    return " ".join([*chain, f"fragment F{count} on Query {{ {leaf} }}"])


def broken_limit(document: str, **variables: object) -> tuple[str, int, int | None]:
    """Return the one limit that the document breaks: its name, what is allowed, what was found."""
    result = checked(document, variables, None)
    assert isinstance(result, ExecutionResult)
    assert result.data is None
    [error] = result.errors or []
    assert error.extensions is not None
    assert error.extensions["code"] == "LIMIT_EXCEEDED", error.message
    limit = error.extensions["limit"]
    assert f"`{limit['name']}`" in error.message
    return limit["name"], limit["allowed"], limit["found"]


ATTACKS = {
    "alias bomb": (
        "{" + "".join(f" a{n}: __typename" for n in range(31)) + "}",
        ("rootFields", 20, 31),
    ),
    "alias bomb below the root": (
        "{ alerts { nodes {" + "".join(f" a{n}: title" for n in range(31)) + "} } }",
        ("aliases", 30, 31),
    ),
    "alias bomb by a fragment": (
        "{ a: alerts { ...F } b: alerts { ...F } c: alerts { ...F } d: alerts { ...F } }"
        " fragment F on AlertConnection { nodes {"
        + "".join(f" a{n}: title" for n in range(7))
        + "} }",
        ("aliases", 30, 32),
    ),
    "deep nesting": ("{" + "a{" * 30 + "a" + "}" * 31, ("depth", 12, 31)),
    "deep nesting by fragments": (
        "{ ...F0 }"
        + "".join(f" fragment F{n} on Query {{ a {{ ...F{n + 1} }} }}" for n in range(20))
        + " fragment F20 on Query { a }",
        ("depth", 12, 21),
    ),
    "fragment spread bomb": (
        "{ ...F0 } " + doubling_fragments(29, "a: __typename"),
        ("rootFields", 20, 1_000_000_000),
    ),
    "more fragment spreads than any page needs": (
        "{" + " ...F" * 61 + " } fragment F on Query { __typename }",
        ("spreads", 60, 61),
    ),
    "the same field over and over": (
        "{ alerts {" + " totalCount" * 400 + "} }",
        ("fields", 400, 401),
    ),
    "directive overloading": (
        "{ __typename" + " @skip(if: false)" * 31 + " }",
        ("directives", 30, 31),
    ),
    "directives that nobody knows": ("{ __typename" + " @a" * 500 + " }", ("directives", 30, 500)),
    "tokens without end": ("{" + " a" * 200_000 + " }", ("characters", MAX_CHARACTERS, 400_003)),
    "many tokens": ("{" + " a" * MAX_TOKENS + " }", ("tokens", MAX_TOKENS, None)),
    "brackets without end": ("{a" * MAX_TOKENS, ("tokens", MAX_TOKENS, None)),
    "one long string": (
        '{ alerts(agent: "' + "x" * MAX_CHARACTERS + '") { totalCount } }',
        ("characters", MAX_CHARACTERS, MAX_CHARACTERS + 36),
    ),
    "circular introspection": (
        "{ __schema { types " + "{ fields { type " * 10 + "{ name }" + " } }" * 10 + " } }",
        ("introspectionDepth", 16, 23),
    ),
    "introspection many times": (
        "{ a: __schema { __typename } b: __schema { __typename } c: __schema { __typename } }",
        ("introspections", 2, 3),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_breaks_the_limit_that_is_there_for_it(name: str) -> None:
    document, expected = ATTACKS[name]
    started = time.process_time()
    assert broken_limit(document) == expected
    assert time.process_time() - started < MAX_SECONDS


def test_circular_introspection_within_the_depth_is_refused_by_validation() -> None:
    document = "{ __schema { types { fields { type { fields { type { fields { name }}}}}}}}"
    result = checked(document, {}, None)
    assert isinstance(result, ExecutionResult)
    assert [error.message for error in result.errors or []] == [
        "Maximum introspection depth exceeded"
    ]


@pytest.mark.parametrize(
    "document",
    [
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F } fragment F on Query { ...G } fragment G on Query { alerts { nodes { ...F }}}",
        "{ ...Unknown }",
    ],
)
def test_fragments_that_lead_nowhere_are_refused_by_validation(document: str) -> None:
    result = checked(document, {}, None)
    assert isinstance(result, ExecutionResult)
    assert {(error.extensions or {})["code"] for error in result.errors or []} == {"BAD_REQUEST"}


@pytest.mark.parametrize(
    ("document", "variables", "cost"),
    [
        ("{ alerts(first: 5000) { totalCount nodes { id } } }", {}, 10_002),
        ("query A($n: Int!) { alerts(first: $n) { nodes { id } } }", {"n": 5000}, 5_002),
        ("query A($n: Int! = 5000) { alerts(first: $n) { nodes { id } } }", {}, 5_002),
    ],
)
def test_the_cost_follows_the_page_size(
    document: str, variables: dict[str, object], cost: int
) -> None:
    found = broken_limit(document, **variables)
    assert found[:2] == ("cost", MAX_COST)
    assert found[2] is not None
    assert found[2] >= cost


def test_whole_introspection_is_within_the_limits() -> None:
    document = get_introspection_query(
        schema_description=True, directive_is_repeatable=True, input_value_deprecation=True
    )
    assert isinstance(checked(document, {}, None), AdHocOperation)


def test_the_documentation_names_every_limit() -> None:
    from hub_schema import limits  # noqa: PLC0415 - its docstring is what is tested

    assert limits.__doc__ is not None
    numbers = {**SHAPE_LIMITS} | {
        "tokens": MAX_TOKENS,
        "cost": MAX_COST,
        "characters": MAX_CHARACTERS,
    }
    for name, allowed in numbers.items():
        assert f"| {name} | {allowed:,} |" in limits.__doc__


_NAMES = st.sampled_from(["alerts", "nodes", "id", "F", "G", "__typename", "__schema", "types"])
_PIECES = st.one_of(
    _NAMES,
    _NAMES.map("...{}".format),
    _NAMES.map("a: {}".format),
    st.sampled_from(
        ["{", "}", "(first: 100)", "@skip(if: true)", "... on Query", "$n", "\0", "🏃"]
    ),
)


@given(st.lists(_PIECES, max_size=60).map(" ".join))
def test_no_document_breaks_the_checks(text: str) -> None:
    suffix = " fragment F on Query { ...G alerts { ...H } } fragment G on Query { __typename }"
    result = checked("{" + text + "}" + suffix, {}, None)
    assert isinstance(result, AdHocOperation | ExecutionResult)
    if isinstance(result, ExecutionResult):
        known = {"BAD_REQUEST", "LIMIT_EXCEEDED"}
        assert {(error.extensions or {})["code"] for error in result.errors or []} <= known
