"""By what periods are remembered: the key's columns and types, for rows that travel as arrays."""

from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, Text
from sqlalchemy.types import TypeEngine

from hub.ingest.foreign.models import ForeignAlert

INSTANT = DateTime(timezone=True)
# What names a trouble; with its start it is one period.
TROUBLE_TYPES: dict[str, TypeEngine[Any]] = {"source": Text(), "external_id": Text()}
KEY_TYPES = {**TROUBLE_TYPES, "started_at": INSTANT}
PERIODS = ForeignAlert.__table__  # type: ignore[attr-defined]
KEY = [PERIODS.c[name] for name in KEY_TYPES]


def is_in(rows: FromClause) -> list[ColumnElement[bool]]:
    """Return the conditions that a period is the one that a row names."""
    return [column == rows.c[column.key] for column in KEY]
