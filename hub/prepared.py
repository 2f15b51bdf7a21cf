"""Statements that are compiled once, for what most calls do.

Building a select from its columns, looking up its compiled form and wrapping its rows costs
SQLAlchemy about five times what asyncpg needs to run it. A prepared one is built with SQLAlchemy
as any other, once, with a `bindparam` for each value that varies; after that its text goes to
asyncpg, on the connection and in the transaction of a session or of a lean transaction, so
row-level security sees no difference.
"""

from collections.abc import Awaitable, Callable
from enum import Enum as PythonEnum
from typing import Any, Concatenate

import asyncpg
from sqlalchemy import BindParameter, ClauseElement, Enum, Select
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.visitors import cloned_traverse

from hub.lean import LeanTransaction
from hub.pool import begun_connection

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]

# Where a prepared statement runs.
type Transaction = AsyncSession | LeanTransaction

# Called with each prepared read's text: SQLAlchemy's events do not see these statements.
observers: list[Callable[[str], None]] = []
_PREPARED_ONLY: set[Callable[..., Any]] = set()


class PreparedWrite:
    """One statement whose rows nobody reads; make it once, where its module is imported."""

    def __init__(self, statement: ClauseElement) -> None:
        # What is known now is written into the text: PostgreSQL keeps one plan for it, and sees
        # that `state = 'open'` is what the partial index was made for.
        inlined = cloned_traverse(statement, {}, {"bindparam": _inline_when_known})
        compiled = inlined.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._names: list[str] = getattr(compiled, "positiontup", None) or []

    async def run(self, session: Transaction, **values: object) -> list[Any]:
        """Run it with these values; return asyncpg's records, if there are any."""
        arguments = [_stored(values[name]) for name in self._names]
        for observe in observers:
            observe(self.text)
        try:
            connection = (
                session.connection
                if isinstance(session, LeanTransaction)
                else await begun_connection(session)
            )
            records: list[Any] = await connection.fetch(self.text, *arguments)
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,  # the server hung up a moment ago
        ) as error:
            raise OperationalError(self.text, None, error) from error
        return records


class PreparedRead(PreparedWrite):
    """One select; make it where its module is imported, or in a cached function."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        super().__init__(statement)
        # Only enums are stored as something else than what the domain works with.
        self._enums = [
            (index, {member.value: member for member in column.type.enum_class})
            for index, column in enumerate(statement.selected_columns)
            if isinstance(column.type, Enum) and column.type.enum_class is not None
        ]

    async def rows(self, session: Transaction, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows, with columns in the statement's order."""
        return [self._row(record) for record in await self.run(session, **values)]

    def _row(self, record: Any) -> tuple[Any, ...]:
        if not self._enums:
            return tuple(record)
        values = list(record)
        for index, members in self._enums:
            if values[index] is not None:
                values[index] = members[values[index]]
        return tuple(values)


def prepared_only[**P, Result](
    query: Callable[Concatenate[Transaction, P], Awaitable[Result]],
) -> Callable[Concatenate[Transaction, P], Awaitable[Result]]:
    """Declare a query that runs prepared statements and nothing else: it needs no session."""
    _PREPARED_ONLY.add(query)
    return query


def is_prepared_only(query: Callable[..., Any]) -> bool:
    """Tell whether the query was declared so."""
    return query in _PREPARED_ONLY


def _inline_when_known(parameter: BindParameter[Any]) -> None:
    parameter.literal_execute = not parameter.required
    parameter.required = False  # its value comes when the text runs, not while it is compiled


def _stored(value: object) -> object:
    return value.value if isinstance(value, PythonEnum) else value
