"""The unit of work of an operation that only reads."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Concatenate, override
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.database import Database, UnitOfWork
from hub.lean import LeanTransaction
from hub.prepared import is_prepared_only


@asynccontextmanager
async def reading(
    database: Database, *, tenant_id: UUID, user_id: UUID
) -> AsyncIterator["ReadingWork"]:
    """Let the block read what this person of this tenant may see."""
    async with AsyncExitStack() as stack:
        yield ReadingWork(database, stack, tenant_id=tenant_id, user_id=user_id)


class ReadingWork(UnitOfWork):
    """Opens a transaction when the first query runs: a lean one while that is enough.

    When a query needs a session after all, the lean transaction ends and a session begins. Nothing
    is lost by that: under READ COMMITTED each statement sees the moment it starts in anyway. The
    lean connection goes back first; whoever holds one of two pools must not wait for the other.
    """

    def __init__(
        self, database: Database, stack: AsyncExitStack, *, tenant_id: UUID, user_id: UUID
    ) -> None:
        super().__init__(None)
        self._database = database
        self._stack = stack
        self._who: dict[str, Any] = {"tenant_id": tenant_id, "user_id": user_id}
        self._lean: LeanTransaction | None = None

    @override
    async def _run[**P, Result](
        self,
        query: Callable[Concatenate[AsyncSession, P], Awaitable[Result]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        if self._session is None and is_prepared_only(query):
            if self._lean is None:
                transaction = self._database.lean.transaction(**self._who)
                self._lean = await self._stack.enter_async_context(transaction)
            lean: Any = self._lean
            # Not shielded: a statement that is cut off costs asyncpg alone no connection.
            return await query(lean, *args, **kwargs)
        if self._session is None:
            await self._stack.aclose()
            self._lean = None
            session = self._database.transaction(**self._who)
            self._session = await self._stack.enter_async_context(session)
        return await super()._run(query, *args, **kwargs)
