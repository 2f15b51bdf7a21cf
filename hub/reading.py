"""The unit of work of an operation that only reads."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Concatenate, Self, override
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.database import Database, UnitOfWork
from hub.lean import LeanTransaction
from hub.prepared import is_prepared_only


class ReadingWork(UnitOfWork):
    """Opens a transaction when the first query runs: a lean one while that is enough.

    When a query needs a session after all, the lean transaction ends and a session begins. Nothing
    is lost by that: under READ COMMITTED each statement sees the moment it starts in anyway. The
    lean connection goes back first; whoever holds one of two pools must not wait for the other.
    """

    def __init__(self, database: Database, *, tenant_id: UUID, user_id: UUID) -> None:
        super().__init__(None)
        self._database = database
        self._tenant_id = tenant_id
        self._user_id = user_id
        self._lean: LeanTransaction | None = None
        self._opened: AbstractAsyncContextManager[Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(kind, error, trace)

    @override
    async def _run[**P, Result](
        self,
        query: Callable[Concatenate[AsyncSession, P], Awaitable[Result]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        if self._session is None and is_prepared_only(query):
            if self._lean is None:
                self._lean = await self._open(self._database.lean.transaction)
            lean: Any = self._lean
            # Not shielded, as a session's statement is: nothing of SQLAlchemy's can be cut off.
            return await query(lean, *args, **kwargs)
        if self._session is None:
            await self.__aexit__(None, None, None)
            self._session = await self._open(self._database.transaction)
        return await super()._run(query, *args, **kwargs)

    async def _open[Opened](
        self, transaction: Callable[..., AbstractAsyncContextManager[Opened]]
    ) -> Opened:
        opening = transaction(tenant_id=self._tenant_id, user_id=self._user_id)
        opened = await opening.__aenter__()
        self._opened = opening
        return opened
