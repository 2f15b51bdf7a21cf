"""Enums of the schema: spelled by value, as in the database and over MCP, each value described."""

from enum import StrEnum
from typing import override

import strawberry
from strawberry.schema.name_converter import NameConverter
from strawberry.types.enum import EnumValue, StrawberryEnumDefinition

from hub.severity import Severity


class HouseNames(NameConverter):
    """Names as everywhere in the house: camelCase fields, enum values as they are stored."""

    @override
    def from_enum_value(self, enum: StrawberryEnumDefinition, enum_value: EnumValue) -> str:
        return str(enum_value.value)


def describe[Member: StrEnum](
    enum_type: type[Member], description: str, values: dict[Member, str], *, name: str | None = None
) -> None:
    """Put a domain enum into the schema; every one of its values must be described."""
    if missing := set(enum_type) - set(values):
        raise TypeError(f"{enum_type.__name__} has values without a description: {missing}")
    strawberry.enum(enum_type, name=name, description=description)
    definition: StrawberryEnumDefinition = enum_type.__strawberry_definition__  # type: ignore[attr-defined]
    by_value = {member.value: text for member, text in values.items()}
    for value in definition.values:
        value.description = by_value[str(value.value)]


describe(
    Severity,
    "How bad something is.",
    {
        Severity.INFO: "Worth knowing; nothing to do.",
        Severity.LOW: "To be looked at some day.",
        Severity.MEDIUM: "To be looked at this week.",
        Severity.HIGH: "To be looked at today.",
        Severity.CRITICAL: "To be looked at now.",
    },
)
