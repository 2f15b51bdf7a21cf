"""Keyset pages: bounded, ordered with a unique tie-break, continued by key."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import orjson

from hub.errors import InvalidInput

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
_MAX_CURSOR_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Page[Row]:
    """Some rows of a list, whether more follow, and how many there are in all.

    `total` is None where counting would cost more than the page.
    """

    rows: Sequence[Row]
    has_next: bool
    total: int | None = None

    @classmethod
    def of(cls, rows: Sequence[Row], *, first: int, total: int | None = None) -> Self:
        """Cut the one row that was read beyond the page to learn whether there is more."""
        return cls(rows=rows[:first], has_next=len(rows) > first, total=total)


def counted_page[Row](
    kind: Callable[..., Row], rows: Sequence[Mapping[Any, Any]], *, first: int
) -> Page[Row]:
    """Return the page of rows that carry, beside the columns of `kind`, the `total`."""
    total = rows[0]["total"] if rows else 0
    columns = ({name: row[name] for name in row if name != "total"} for row in rows)
    return Page.of([kind(**values) for values in columns], first=first, total=total)


def check_page_size(first: int, *, field: str = "first") -> int:
    """Return the page size, or say which sizes are allowed: a silent clamp would hide rows."""
    if not 1 <= first <= MAX_PAGE_SIZE:
        raise InvalidInput(f"`{field}` must be between 1 and {MAX_PAGE_SIZE}.", field=field)
    return first


def encode_cursor(list_name: str, *key: object) -> str:
    """Return an opaque cursor; it names its list, so another list can refuse it."""
    payload = orjson.dumps([list_name, *key], default=str, option=orjson.OPT_UTC_Z)
    return base64.urlsafe_b64encode(payload).rstrip(b"=").decode()


def decode_cursor(
    list_name: str, cursor: str, *types: type, field: str = "after"
) -> tuple[Any, ...]:
    """Return the key in the cursor, or say that it is not one of this list.

    `types` are the key's column types in order: str, int, float, UUID or datetime.
    """
    try:
        if len(cursor) > _MAX_CURSOR_CHARACTERS:
            raise ValueError  # noqa: TRY301 - one message for every way to be wrong
        padded = cursor + "=" * (-len(cursor) % 4)
        name, *key = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if name != list_name or len(key) != len(types):
            raise ValueError  # noqa: TRY301
        return tuple(_typed(value, kind) for value, kind in zip(key, types, strict=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidInput(
            f"`{field}` is not a cursor of this list; pass the next_cursor (endCursor) of its"
            " previous page unchanged, or leave it out to start at the beginning.",
            field=field,
        ) from error


def _typed(value: object, kind: type) -> object:
    """Return the JSON value as the column's type; ValueError when it is something else."""
    if kind is UUID and isinstance(value, str):
        return UUID(value)
    if kind is datetime and isinstance(value, str):
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError
        return instant
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is kind:
        return value
    raise ValueError
