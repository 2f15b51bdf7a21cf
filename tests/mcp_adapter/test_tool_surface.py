"""Rules for all tools: their names, their size, their hints, and what can never be one."""

from typing import Any

import jsonschema_rs
import orjson
import pytest

from hub.principal import SCOPE_BY_PERMISSION, Scope
from hub.tenancy.models import Tenant
from hub_schema.directives import Effect
from hub_schema.operations import GRAPHQL_SCHEMA, OperationError, field_facts, operation_of
from mcp_adapter.output_schema import root_field
from mcp_adapter.tools import Tool, tool_of, tools
from tests.mcp_adapter.hub_in_test import RunningHub

NAMES = [
    "monsys_acknowledge_detection",
    "monsys_audit_log_search",
    "monsys_get_agent",
    "monsys_get_detection",
    "monsys_kpi_summary",
    "monsys_list_agents",
    "monsys_list_alerts",
    "monsys_list_detections",
    "monsys_list_kernel_cves",
    "monsys_list_os_cves",
    "monsys_list_sla_overview",
    "monsys_trust_score",
]
# The article's table: what the tool is given besides paging.
ARGUMENTS = {
    "monsys_acknowledge_detection": ["id", "note"],
    "monsys_audit_log_search": ["event_type", "actor", "since", "until", "limit", "after"],
    "monsys_get_agent": ["agent"],
    "monsys_get_detection": ["id"],
    "monsys_kpi_summary": [],
    "monsys_list_agents": ["tags", "status", "search", "limit", "after"],
    "monsys_list_alerts": ["severity", "category", "agent", "limit", "after"],
    "monsys_list_detections": [
        *("since", "ack", "severity", "rule_kind", "agent", "limit", "after"),
    ],
    "monsys_list_kernel_cves": ["severity", "agent", "limit", "after"],
    "monsys_list_os_cves": ["ecosystem", "severity", "package", "agent", "limit", "after"],
    "monsys_list_sla_overview": [],
    "monsys_trust_score": [],
}
CHARACTERS_PER_TOKEN = 4


@pytest.fixture(params=NAMES)
def tool(request: pytest.FixtureRequest) -> Tool:
    return tools()[request.param]


def written(value: Any) -> bytes:
    return orjson.dumps(value)


def test_there_are_exactly_the_articles_twelve_tools() -> None:
    assert list(tools()) == NAMES


def test_all_definitions_together_fit_into_6000_tokens() -> None:
    definitions = b"".join(written(tool.definition) for tool in tools().values())
    assert len(definitions) < 6_000 * CHARACTERS_PER_TOKEN


def test_takes_the_agreed_arguments(tool: Tool) -> None:
    assert sorted(tool.input_schema.get("properties", {})) == sorted(ARGUMENTS[tool.name])
    assert tool.input_schema["additionalProperties"] is False


def test_no_schema_is_so_large_that_a_client_drops_it(tool: Tool) -> None:
    assert len(written(tool.definition["inputSchema"])) < 16_384
    assert len(written(tool.definition["outputSchema"])) < 16_384


def test_schemas_are_valid_2020_12(tool: Tool) -> None:
    for schema in (tool.definition["inputSchema"], tool.definition["outputSchema"]):
        assert jsonschema_rs.meta.is_valid(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        )
        assert schema["type"] == "object"


def test_tells_a_model_what_it_is_for(tool: Tool) -> None:
    assert 5 <= len(tool.title) <= 60
    assert 100 <= len(tool.description) <= 400
    assert "\n" not in tool.description
    for name, schema in tool.input_schema.get("properties", {}).items():
        assert 5 <= len(schema["description"]) <= 120, name


def test_lists_take_1_to_100_rows_and_20_by_default(tool: Tool) -> None:
    limit = tool.input_schema.get("properties", {}).get("limit")
    if limit is not None:
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20)


def test_declares_every_hint_and_its_scope(tool: Tool) -> None:
    changes = tool.name == "monsys_acknowledge_detection"
    assert tool.annotations == {
        "title": tool.title,
        "readOnlyHint": not changes,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": False,
    }
    assert tool.scopes == {Scope.ACKNOWLEDGE if changes else Scope.READ}


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "required" not in tools()[name].input_schema]
)
async def test_an_answer_without_data_fits_its_schema(
    name: str, hub: RunningHub, tenant: Tenant, token: str
) -> None:
    tool = tools()[name]
    result = (await hub.call(tool.name, token=token)).json()["result"]
    assert result["isError"] is False
    jsonschema_rs.validate(tool.definition["outputSchema"], result["structuredContent"])
    assert written(result["structuredContent"]).decode() == result["content"][0]["text"]
    assert [row[2] for row in await hub.calls_of(tenant.id)] == ["success"]


# --- what can never be a tool -----------------------------------------------


def mutations() -> list[str]:
    mutation = GRAPHQL_SCHEMA.mutation_type
    return sorted(mutation.fields) if mutation else []


def test_the_one_change_a_tool_can_make_is_acknowledging() -> None:
    reached = {
        root_field(tool.operation).name.value
        for tool in tools().values()
        if tool.operation.is_mutation
    }
    assert reached == {"acknowledgeDetection"}


@pytest.mark.parametrize("field", mutations())
def test_no_scope_grants_a_mutation_but_acknowledging(field: str) -> None:
    mutation = GRAPHQL_SCHEMA.mutation_type
    assert mutation is not None
    permission, _ = field_facts(mutation.fields[field])
    assert permission is not None
    granted = SCOPE_BY_PERMISSION.get(permission)
    assert (granted is not None) is (field == "acknowledgeDetection")


@pytest.mark.parametrize("field", mutations())
def test_every_mutation_declares_its_effect(field: str) -> None:
    mutation = GRAPHQL_SCHEMA.mutation_type
    assert mutation is not None
    definition = (mutation.fields[field].extensions or {})["strawberry-definition"]
    assert len([d for d in definition.directives if isinstance(d, Effect)]) == 1


def test_a_permission_that_no_scope_grants_makes_an_operation_unloadable() -> None:
    text = '"""\nReopen\n\nReopens.\n"""\nmutation M("The id." $id: String!) {\n'
    text += "  reopenDetection(input: { id: $id }) { detection { id: number } }\n}"
    with pytest.raises(OperationError, match="no scope of the connector grants"):
        tool_of(operation_of("monsys_reopen", "mcp", text))


def test_a_destructive_mutation_never_becomes_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mcp_adapter.tools._effect", lambda _: Effect(idempotent=True, destructive=True)
    )
    with pytest.raises(OperationError, match="destructive"):
        tool_of(tools()["monsys_acknowledge_detection"].operation)


DESCRIBED = '"""\nT\n\nD.\n"""\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("query Q { alerts { totalCount } }", "a title and a description"),
        (
            f"{DESCRIBED}query Q($n: Int! = 1) {{ alerts(first: $n) {{ totalCount }} }}",
            "needs a known type and a description",
        ),
        (
            f"{DESCRIBED}query Q {{ alerts {{ totalCount }} more: alerts {{ totalCount }} }}",
            "exactly one root field",
        ),
        (f"{DESCRIBED}query Q {{ alerts {{ ... {{ totalCount }} }} }}", "no inline fragments"),
    ],
)
def test_a_file_that_is_no_tool_does_not_load(text: str, reason: str) -> None:
    with pytest.raises(OperationError, match=reason):
        tool_of(operation_of("monsys_x", "mcp", text))
