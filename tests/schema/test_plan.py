"""A compiled plan answers exactly as graphql-core does: data, errors, and the order of keys."""

import asyncio
import math
from typing import Any

import pytest
from graphql import parse
from hypothesis import given, settings

from hub_schema.plan import PlannedExecutor, compile_plan, execute_planned
from tests.schema.plan_cases import DOCUMENTS, GOOD, SCHEMA, Leaves, Tree, both, trees


@pytest.mark.slow
@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
@settings(max_examples=60, deadline=None)
@given(tree=trees)
def test_answers_as_graphql_core_whatever_the_data(text: str, tree: Tree) -> None:
    expected, planned = asyncio.run(both(SCHEMA, text, tree))
    assert planned == expected


async def test_reads_plain_data_without_resolving_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparisons above would compare graphql-core with itself."""
    resolved: list[str] = []
    slowly = PlannedExecutor.__base__.execute_field  # type: ignore[union-attr]

    def noted(self: Any, parent: Any, source: Any, details: Any, *rest: Any) -> Any:
        resolved.append(details[0].node.name.value)
        return slowly(self, parent, source, details, *rest)

    monkeypatch.setattr(PlannedExecutor.__base__, "execute_field", noted)
    document = parse(DOCUMENTS["plain all the way"])
    tree = Tree(leaves=GOOD, certain=GOOD, many=[GOOD, None], strict=[GOOD], pet=None)
    result = execute_planned(
        SCHEMA,
        document,
        compile_plan(SCHEMA, document),
        context_value=tree,
        variable_values={},
    )
    assert result.errors is None
    assert result.data["tree"]["many"][0]["colour"] == "BLUE"
    assert resolved == ["tree"]


async def test_a_null_in_a_required_place_nulls_the_parent_and_says_where() -> None:
    broken = Leaves(**{**vars(GOOD), "text": None})
    tree = Tree(leaves=None, certain=GOOD, many=[GOOD, broken], strict=[broken], pet=None)
    expected, planned = await both(SCHEMA, DOCUMENTS["plain all the way"], tree)
    assert planned == expected
    assert [error["path"] for error in planned[1]] == [
        ["tree", "many", 1, "text"],
        ["tree", "strict", 0, "text"],
    ]


@pytest.mark.parametrize("number", [math.nan, math.inf, 2**31, "7"])
async def test_a_number_that_does_not_fit_is_refused_in_the_same_words(number: Any) -> None:
    odd = Leaves(**{**vars(GOOD), "maybe_number": number, "share": number})
    tree = Tree(leaves=odd, certain=GOOD, many=[], strict=None, pet=None)
    expected, planned = await both(SCHEMA, DOCUMENTS["plain all the way"], tree)
    assert planned == expected


async def test_variables_that_do_not_fit_are_refused_in_the_same_words() -> None:
    text = DOCUMENTS["variables that do not fit"]
    expected, planned = await both(SCHEMA, text, None, {"fail": "perhaps"})
    assert planned == expected
    assert planned[0] == "null"
