"""A schema with one of everything, data for it, and how answers are compared."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from graphql import ExecutionResult, execute, parse, validate
from hypothesis import strategies as st

from hub_schema.plan import compile_plan, execute_planned


@strawberry.enum
class Colour(Enum):
    """An enum whose names differ from its values."""

    RED = "r"
    BLUE = "b"


class Awaited(str):
    """Looks like text, but is to be awaited."""

    __slots__ = ()

    def __await__(self) -> Any:
        """Give another text."""
        yield from asyncio.sleep(0).__await__()
        return "awaited"


@strawberry.interface
class Named:
    """Makes its types look at their values."""

    name: str


@strawberry.type
class Pet(Named):
    """Reached through its interface."""

    age: int


@strawberry.type
class Leaves:
    """Every kind of leaf, required and not."""

    text: str
    maybe_text: str | None
    number: int
    maybe_number: int | None
    share: float | None
    flag: bool | None
    colour: Colour | None
    key: UUID | None
    at: datetime | None
    ident: strawberry.ID | None
    words: list[str]
    maybe_words: list[str | None] | None
    grid: list[list[int]] | None

    @strawberry.field
    def shout(self) -> str:
        """Run code, and fail for some."""
        if self.text == "silent":
            raise ValueError(self.text)
        return f"{self.text}!"


@strawberry.type
class Tree:
    """Objects in objects, required and not, in lists and alone."""

    leaves: Leaves | None
    certain: Leaves
    many: list[Leaves | None]
    strict: list[Leaves] | None
    pet: Named | None

    @strawberry.field
    async def late(self, *, louder: bool = False) -> Leaves:
        """Run code that waits."""
        await asyncio.sleep(0)
        if louder:
            raise RuntimeError(louder)
        return self.certain


@strawberry.type
class Query:
    """Gives what the context holds."""

    @strawberry.field
    def tree(self, info: strawberry.Info[Any, None]) -> Tree | None:
        """At once."""
        tree: Tree | None = info.context
        return tree

    @strawberry.field
    async def required(
        self,
        info: strawberry.Info[Any, None],
        *,
        fail: Annotated[bool, strawberry.argument(description="Raise.")] = False,
    ) -> Tree:
        """After a while, and never null."""
        await asyncio.sleep(0)
        if fail:
            raise LookupError
        tree: Tree = info.context
        return tree


SCHEMA = strawberry.Schema(query=Query, types=[Pet])._schema
LEAVES = """
    text maybe: maybeText number maybeNumber share flag colour key at ident words maybeWords grid
"""
DOCUMENTS = {
    "plain all the way": f"""{{ tree {{
        leaves {{ {LEAVES} }} certain {{ {LEAVES} }} many {{ {LEAVES} }} strict {{ {LEAVES} }}
    }} }}""",
    "code among plain fields": """{ tree {
        certain { text shout number } many { shout words } strict { colour shout }
        late { text shout }
    } }""",
    "typename and fragments": """
        query { tree { __typename certain { ...Some ... on Leaves { colour } ... { at } } } }
        fragment Some on Leaves { text __typename number }""",
    "abstract types": "{ tree { pet { __typename name ... on Pet { age } } certain { text } } }",
    "conditions": """query ($yes: Boolean! = true, $no: Boolean! = false) { required {
        certain @include(if: $no) { text }
        leaves { text @skip(if: $yes) number @include(if: $yes) ... @include(if: $no) { words } }
        many @skip(if: $no) { text }
    } }""",
    "one field selected twice": """{ tree { certain { text } certain { number text }
        strict { number number } } }""",
    "two roots": "{ a: tree { certain { text } } b: required { certain { number } } }",
    "a failing root": "{ tree { certain { text } } required(fail: true) { certain { text } } }",
    "a failing branch": "{ tree { certain { text } late(louder: true) { text } many { words } } }",
    "variables that do not fit": "query ($fail: Boolean!) { required(fail: $fail) { __typename } }",
}


class Trap:
    """Has none of the attributes."""


# What the schema promises, and what a careless resolver might put there instead.
surprises = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.integers(min_value=-(2**33), max_value=2**33),
    st.floats(),
    st.booleans(),
    st.sampled_from(Colour),
    st.uuids(),
    st.datetimes(),
    st.builds(Trap),
    st.builds(ValueError, st.just("a value that is an error")),
    st.just(Awaited("text")),
    st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers()), max_size=3).map(tuple),
    st.just({"a": 1}),
)


def mostly(expected: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give the expected almost always."""
    return st.integers(0, 24).flatmap(lambda dice: surprises if dice == 0 else expected)


def optional(expected: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give the expected, or null, almost always."""
    return mostly(st.one_of(st.none(), expected))


text = st.one_of(st.just("silent"), st.text(max_size=5))
number = st.integers(min_value=-(2**31), max_value=2**31 - 1)
leaves = st.builds(
    Leaves,
    text=mostly(text),
    maybe_text=optional(text),
    number=mostly(number),
    maybe_number=optional(number),
    share=optional(st.floats()),
    flag=optional(st.booleans()),
    colour=optional(st.sampled_from(Colour)),
    key=optional(st.uuids()),
    at=optional(st.datetimes(timezones=st.just(UTC))),
    ident=optional(st.text(max_size=5)),
    words=mostly(st.lists(mostly(text), max_size=3)),
    maybe_words=optional(st.lists(optional(text), max_size=3)),
    grid=optional(st.lists(mostly(st.lists(number, max_size=2)), max_size=2)),
)
trees = st.builds(
    Tree,
    leaves=optional(leaves),
    certain=mostly(leaves),
    many=mostly(st.lists(optional(leaves), max_size=3)),
    strict=optional(st.lists(mostly(leaves), max_size=3)),
    pet=optional(st.builds(Pet, name=text, age=mostly(number))),
)


GOOD = Leaves(
    text="a",
    maybe_text=None,
    number=1,
    maybe_number=None,
    share=0.5,
    flag=True,
    colour=Colour.BLUE,
    key=UUID(int=1),
    at=datetime(2026, 1, 1, tzinfo=UTC),
    ident=strawberry.ID("x"),
    words=["w"],
    maybe_words=[None, "w"],
    grid=[[1], []],
)


def shown(result: ExecutionResult) -> tuple[str, list[dict[str, Any]]]:
    """Return everything that a client could see, with the order of keys; NaN equals itself."""
    return json.dumps(result.data, default=repr), [
        dict(error.formatted) for error in result.errors or ()
    ]


async def finished(outcome: Any) -> ExecutionResult:
    """Await a result that is not there yet."""
    return outcome if isinstance(outcome, ExecutionResult) else await outcome


async def both(
    schema: Any, text: str, context: Any, variables: Mapping[str, Any] | None = None
) -> tuple[Any, Any]:
    """Return what graphql-core answers, and what the plan does."""
    document = parse(text)
    assert validate(schema, document) == []
    plan = compile_plan(schema, document)
    given = dict(variables or {})
    slow = execute(schema, document, context_value=context, variable_values=given)
    fast = execute_planned(schema, document, plan, context_value=context, variable_values=given)
    return shown(await finished(slow)), shown(await finished(fast))
