"""Smaller schemas: what a schema says twice it says once, under `$defs`.

A model reads all tools' definitions before its first call, so each character is paid for in every
conversation.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from mcp_adapter.input_schema import JsonSchema


def compacted(schema: JsonSchema) -> JsonSchema:
    """Return a schema that means the same, with repeated parts shared where that is shorter."""
    definitions: dict[str, JsonSchema] = {}
    root = schema
    while (repeated := _worth_sharing({"$root": root, **definitions})) is not None:
        name, part = repeated
        name = name if name not in definitions else f"{name}{len(definitions)}"
        reference = {"$ref": f"#/$defs/{name}"}
        root = _replaced(root, part, reference)
        definitions = {key: _replaced(value, part, reference) for key, value in definitions.items()}
        definitions[name] = part
    return root | ({"$defs": definitions} if definitions else {})


def _worth_sharing(schemas: dict[str, JsonSchema]) -> tuple[str, JsonSchema] | None:
    """Return the part whose sharing saves most, with the property it is first found under."""
    names: dict[bytes, str] = {}
    counts: Counter[bytes] = Counter()
    for schema in schemas.values():
        for name, part in _parts(schema):
            written = orjson.dumps(part)
            counts[written] += 1
            names.setdefault(written, name)
    best = max(counts, key=lambda written: _saving(written, names, counts), default=None)
    if best is None or _saving(best, names, counts) <= 0:
        return None
    return names[best], orjson.loads(best)


def _saving(written: bytes, names: dict[bytes, str], counts: Counter[bytes]) -> int:
    """Return how many characters are saved: each use costs a `$ref`, the definition its name."""
    use = len('{"$ref":"#/$defs/"}') + len(names[written])
    definition = len(written) + len(names[written]) + len('"":,"$defs":{}')
    return counts[written] * (len(written) - use) - definition


def _parts(schema: JsonSchema) -> Iterator[tuple[str, JsonSchema]]:
    """Yield every property's schema below the root; a list's entries under the list's name."""
    for name, part in schema.get("properties", {}).items():
        inner = part
        while inner.get("type") == "array":
            inner = inner["items"]
        yield name, inner
        yield from _parts(inner)


def _replaced(schema: Any, part: JsonSchema, reference: JsonSchema) -> Any:
    if schema == part:
        return reference
    if isinstance(schema, dict):
        return {key: _replaced(value, part, reference) for key, value in schema.items()}
    return schema
