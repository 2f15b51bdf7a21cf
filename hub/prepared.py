"""Statements that are compiled once, for the reads that most calls make.

Building a select from its columns, looking up its compiled form and wrapping its rows costs
SQLAlchemy about five times what asyncpg needs to run it. A prepared read is built with SQLAlchemy
as any other, once, with a `bindparam` for each value that varies; after that its text goes to
asyncpg, on the session's own connection and in its transaction, so row-level security sees no
difference.
"""

from collections.abc import Callable
from enum import Enum as PythonEnum
from typing import Any

import asyncpg
from sqlalchemy import BindParameter, Enum, Select
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.visitors import cloned_traverse

from hub.pool import begun_connection

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]

# Called with each prepared read's text: SQLAlchemy's events do not see these statements.
observers: list[Callable[[str], None]] = []


class PreparedRead:
    """One select; make it once, where the module is imported or a cached function is called."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        # What is known now is written into the text: PostgreSQL keeps one plan for it, and sees
        # that `state = 'open'` is what the partial index was made for.
        inlined = cloned_traverse(statement, {}, {"bindparam": _inline_when_known})
        compiled = inlined.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._names: list[str] = compiled.positiontup or []
        # Only enums are stored as something else than what the domain works with.
        self._enums = [
            (index, column.type.enum_class)
            for index, column in enumerate(statement.selected_columns)
            if isinstance(column.type, Enum) and column.type.enum_class is not None
        ]

    async def rows(self, session: AsyncSession, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows, with columns in the statement's order."""
        arguments = [_stored(values[name]) for name in self._names]
        for observe in observers:
            observe(self.text)
        try:
            connection = await begun_connection(session)
            records = await connection.fetch(self.text, *arguments)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise OperationalError(self.text, None, error) from error
        return [self._row(record) for record in records]

    def _row(self, record: Any) -> tuple[Any, ...]:
        if not self._enums:
            return tuple(record)
        values = list(record)
        for index, kind in self._enums:
            if values[index] is not None:
                values[index] = kind(values[index])
        return tuple(values)


def _inline_when_known(parameter: BindParameter[Any]) -> None:
    parameter.literal_execute = not parameter.required
    parameter.required = False  # its value comes when the text runs, not while it is compiled


def _stored(value: object) -> object:
    return value.value if isinstance(value, PythonEnum) else value
