"""Rules over the whole schema, so that what is added later keeps them too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_specified_directive,
    is_specified_scalar_type,
)

from hub.principal import PERMISSIONS_BY_SCOPE, SCOPE_BY_PERMISSION
from hub_schema import operations as operation_files
from hub_schema.directives import NEVER_TO_CLAUDE, EgressClass, leaf
from hub_schema.operations import (
    GRAPHQL_SCHEMA,
    OperationError,
    field_facts,
    operation_of,
    operations,
)
from hub_schema.print_sdl import sdl

ROOT = Path(__file__).parents[2]
TYPES = [named for name, named in GRAPHQL_SCHEMA.type_map.items() if not name.startswith("__")]
# It tells callers who they are, which callers of no permission may know as well.
NEEDS_NO_PERMISSION = {"Query.viewer"}
EMERGENCY = re.compile(
    r"isolat|quarantine|kill|terminat|lock_?out|disable_?user|kernel_?updat|updat\w*kernel|reboot"
    r"|shutdown|emergency|totp",
    re.IGNORECASE,
)
# Fields that hold the word of an act, and tell a fact.
FACTS = {"KernelCve.rebootPendingHosts", "VulnerabilityCounts.rebootPending"}
# Strawberry's own scalar; its name says it all.
NEEDS_NO_DESCRIPTION = {"Query", "Mutation", "Subscription", "UUID"}


def fields_of_objects() -> Iterator[tuple[str, GraphQLField]]:
    """Yield every field of every object type with its coordinate."""
    for named in TYPES:
        if isinstance(named, GraphQLObjectType):
            for name, field in named.fields.items():
                yield f"{named.name}.{name}", field


def described() -> Iterator[tuple[str, str | None]]:
    """Yield every coordinate of the schema with its description."""
    for named in TYPES:
        if is_specified_scalar_type(named):
            continue
        yield named.name, named.description
        if isinstance(named, GraphQLEnumType):
            for name, value in named.values.items():
                yield f"{named.name}.{name}", value.description
        if isinstance(named, GraphQLInputObjectType):
            for name, input_field in named.fields.items():
                yield f"{named.name}.{name}", input_field.description
    for coordinate, field in fields_of_objects():
        yield coordinate, field.description
        yield from arguments_described(coordinate, field.args)
    for directive in GRAPHQL_SCHEMA.directives:
        if not is_specified_directive(directive):
            yield f"@{directive.name}", directive.description


def arguments_described(
    owner: str, arguments: dict[str, GraphQLArgument]
) -> Iterator[tuple[str, str | None]]:
    """Yield the coordinates of arguments with their descriptions."""
    for name, argument in arguments.items():
        yield f"{owner}({name}:)", argument.description


def test_everything_is_described() -> None:
    without = [name for name, description in described() if not (description or "").strip()]
    assert sorted(set(without) - NEEDS_NO_DESCRIPTION) == []


def test_every_leaf_says_what_kind_of_information_it_holds() -> None:
    without = [
        coordinate
        for coordinate, field in fields_of_objects()
        if is_leaf_type(get_named_type(field.type)) and field_facts(field)[1] is None
    ]
    assert without == []


def test_every_root_field_needs_a_permission() -> None:
    without = {
        coordinate
        for coordinate, field in fields_of_objects()
        if coordinate.startswith(("Query.", "Mutation.")) and field_facts(field)[0] is None
    }
    assert without == NEEDS_NO_PERMISSION


def test_enum_values_are_spelled_as_they_are_stored() -> None:
    values = [
        value for named in TYPES if isinstance(named, GraphQLEnumType) for value in named.values
    ]
    assert [value for value in values if not re.fullmatch(r"[a-z][a-z0-9_]*", value)] == []


def test_every_connection_is_paged_by_key() -> None:
    unpaged = [
        coordinate
        for coordinate, field in fields_of_objects()
        if get_named_type(field.type).name.endswith("Connection")
        and not {"first", "after"} <= set(field.args)
    ]
    assert unpaged == []


def test_the_committed_sdl_is_current() -> None:
    committed = (ROOT / "graphql" / "schema.graphql").read_text("utf-8")
    assert committed == sdl(), "run: python -m hub_schema.print_sdl"


def test_no_folder_shadows_graphql_core() -> None:
    assert not (ROOT / "graphql" / "__init__.py").exists()
    assert list((ROOT / "graphql").glob("*.py")) == []
    assert not (ROOT / "tests" / "graphql").exists()


def test_the_connector_can_change_exactly_one_thing() -> None:
    assert GRAPHQL_SCHEMA.mutation_type is not None
    by_scope = {
        name
        for name, field in GRAPHQL_SCHEMA.mutation_type.fields.items()
        if field_facts(field)[0] in {None, *SCOPE_BY_PERMISSION}
    }
    by_tools = {
        field.coordinate
        for tool in operations("mcp").values()
        for field in tool.fields
        if field.coordinate.startswith("Mutation.")
    }
    assert by_scope == {"acknowledgeDetection"}
    assert by_tools == {"Mutation.acknowledgeDetection"}


def test_no_emergency_action_is_within_reach_of_the_connector() -> None:
    granted = frozenset().union(*PERMISSIONS_BY_SCOPE.values())
    acts = [permission for permission in granted if EMERGENCY.search(permission.value)]
    reachable = [
        coordinate
        for coordinate, field in fields_of_objects()
        if coordinate.startswith(("Query.", "Mutation."))
        and field_facts(field)[0] in {None, *granted}
        and any(EMERGENCY.search(word) for word in (coordinate, *field.args))
    ]
    selected = {
        field.coordinate
        for tool in operations("mcp").values()
        for field in tool.fields
        if EMERGENCY.search(field.coordinate)
    }
    assert (acts, reachable, selected - FACTS) == ([], [], set())
    assert [name for name in operations("mcp") if EMERGENCY.search(name)] == []


@pytest.mark.parametrize("word", ["isolateNetwork", "killProcess", "updateKernel", "lockOutUser"])
def test_the_words_of_emergencies_are_recognised(word: str) -> None:
    assert EMERGENCY.search(word) or EMERGENCY.search(re.sub(r"(?<!^)(?=[A-Z])", "_", word))


def test_no_tool_selects_what_never_passes_to_claude() -> None:
    passing = {
        (tool.name, field.coordinate)
        for tool in operations("mcp").values()
        for field in tool.fields
        if field.is_leaf and (field.egress is None or field.egress in NEVER_TO_CLAUDE)
    }
    assert passing == set()


@strawberry.type
class _Row:
    name: str = leaf(EgressClass.HOST_IDENTITY, "Passes.")
    secret: str = leaf(EgressClass.SECRET, "Never passes.")
    body: str = leaf(EgressClass.AUDIT_BODY, "Never passes.")
    trace: str = leaf(EgressClass.AI_TRACE, "Never passes.")
    raw: str = leaf(EgressClass.AGENT_RAW, "Never passes.")
    undeclared: str = strawberry.field(description="Says not what it is.")


@strawberry.type
class _Query:
    row: _Row | None = None


@pytest.fixture
def leaky_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loader read operations of a schema that has something to leak."""
    schema = strawberry.Schema(query=_Query)
    monkeypatch.setattr(operation_files, "GRAPHQL_SCHEMA", schema._schema)


@pytest.mark.usefixtures("leaky_schema")
@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("secret", "secret"),
        ("body", "audit_body"),
        ("trace", "ai_trace"),
        ("raw", "agent_raw"),
        ("undeclared", "of no declared class"),
    ],
)
def test_an_operation_that_selects_what_must_not_pass_does_not_load(field: str, kind: str) -> None:
    hidden = f"query A {{ row {{ name ...F }} }} fragment F on Row {{ x: {field} }}"
    with pytest.raises(OperationError, match=f"Row.{field} is {kind} and must not pass"):
        operation_of("monsys_test", "mcp", hidden)
    assert operation_of("dashboard_test", "dashboard", hidden).name == "dashboard_test"


@pytest.mark.usefixtures("leaky_schema")
def test_an_operation_that_selects_only_what_may_pass_loads() -> None:
    operation = operation_of("monsys_test", "mcp", "query A { row { name } }")
    assert [field.coordinate for field in operation.fields] == ["Query.row", "Row.name"]
