"""Readers of values: each takes exactly what its schema type promises, and gives up otherwise.

Their answers are those of graphql-core's `complete_value`; the scalars and enums of Strawberry are
serialised by Strawberry's own functions.
"""

from collections.abc import Callable, Hashable
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any
from uuid import UUID

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
)
from strawberry.types.enum import StrawberryEnumDefinition

type Read = Callable[[Any], Any]


class NotPlain(Exception):  # noqa: N818 - a remark to the caller, who then takes the long way
    """Leave this to graphql-core: the selection holds code, or the value is a surprise."""


def list_reader(item: Read) -> Read:
    """Read each item of a list."""

    def read(value: Any) -> list[Any]:
        if type(value) is not list and type(value) is not tuple:
            raise NotPlain
        return [item(each) for each in value]

    return read


def enum_reader(type_: GraphQLEnumType) -> Read:
    """Read a member of the enum as its name in the schema."""
    definition = type_.extensions.get("strawberry-definition")
    if not isinstance(definition, StrawberryEnumDefinition):
        raise NotPlain
    members: Any = definition.wrapped_cls
    names: dict[Any, str] = {member: type_.coerce_output_value(member) for member in members}

    def read(value: Any) -> str:
        if type(value) is not members:
            raise NotPlain
        return names[value]

    return read


def scalar_reader(type_: GraphQLScalarType) -> Read:
    """Read a scalar as it goes over the wire."""
    return _BUILT_IN.get(type_) or _custom_scalar_reader(type_)


def _custom_scalar_reader(type_: GraphQLScalarType) -> Read:
    coerce = type_.coerce_output_value

    def read(value: Any) -> Any:
        kind: Any = type(value)
        if not _is_plain_class(kind):
            raise NotPlain
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise NotPlain
        return coerced

    return read


@cache
def _is_plain_class(kind: Hashable) -> bool:
    """Tell whether instances are data. A driver's own subclass of UUID is; a coroutine is not."""
    data = (UUID, datetime, date, time, Decimal, str, int, float, dict, list)
    return isinstance(kind, type) and issubclass(kind, data) and not hasattr(kind, "__await__")


def _string(value: Any) -> str:
    if type(value) is not str:
        raise NotPlain
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise NotPlain
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
        raise NotPlain
    return value


def _float(value: Any) -> float:
    if type(value) is not float or not isfinite(value):
        raise NotPlain
    return value


_BUILT_IN: dict[GraphQLScalarType, Read] = {
    GraphQLBoolean: _boolean,
    GraphQLFloat: _float,
    GraphQLID: _string,
    GraphQLInt: _integer,
    GraphQLString: _string,
}
