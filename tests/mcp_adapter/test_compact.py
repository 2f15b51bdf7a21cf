"""Shared parts of schemas: shorter, and meaning the same."""

from typing import Any

import orjson
import pytest

from mcp_adapter.compact import compacted
from mcp_adapter.tools import tools


def expanded(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [expanded(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return expanded(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return {key: expanded(value, definitions) for key, value in schema.items() if key != "$defs"}


@pytest.mark.parametrize("name", list(tools()))
def test_means_the_same_in_no_more_characters(name: str) -> None:
    schema = tools()[name].output_schema
    short = compacted(schema)
    assert expanded(short, short.get("$defs", {})) == schema
    assert len(orjson.dumps(short)) <= len(orjson.dumps(schema))


def test_shares_what_is_said_twice_and_nothing_else() -> None:
    span = {"type": "object", "properties": {"min": {"type": "number"}, "max": {"type": "number"}}}
    schema = {
        "type": "object",
        "properties": {
            "cpu": span,
            "disks": {"type": "array", "items": span},
            "name": {"type": "string"},
            "title": {"type": "string"},
        },
    }
    assert compacted(schema) == {
        "type": "object",
        "properties": {
            "cpu": {"$ref": "#/$defs/cpu"},
            "disks": {"type": "array", "items": {"$ref": "#/$defs/cpu"}},
            "name": {"type": "string"},
            "title": {"type": "string"},
        },
        "$defs": {"cpu": span},
    }
