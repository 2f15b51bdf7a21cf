"""Durable before the answer leaves: calls that arrive together share one commit.

One commit costs a flush to disk. While it runs, further calls gather; the next commit takes them
all. A caller waits for its own row and no longer, and gets an error when it cannot be written.
"""

import asyncio
from collections import defaultdict
from typing import Self, override
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from hub.audit.commands import ToolCall, append_tool_calls
from hub.background import Background
from hub.database import Database
from hub.errors import Unavailable

_log = structlog.get_logger(__name__)
_MAX_BATCH = 500
_WRITE_TIMEOUT_SECONDS = 10
# Where several calls shared the last commit, more are on their way: they are worth this wait.
_COMPANY, _GATHER_SECONDS = 4, 0.001
_REFUSALS = ("22", "23")  # classes of SQLSTATE: data exception, integrity constraint violation

type _Waiting = tuple[ToolCall, asyncio.Future[None]]


class AuditWriter(Background):
    """Writes tool calls in shared commits. Use as a context manager for the process's life."""

    name = "audit-writer"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._is_open = False

    @override
    async def __aenter__(self) -> Self:
        self._is_open = True
        return await super().__aenter__()

    @override
    async def __aexit__(self, *raised: object) -> None:
        self._is_open = False
        await super().__aexit__(*raised)
        self._fail(self._waiting)

    async def record(self, call: ToolCall) -> None:
        """Return once the call's row is durable; raise Unavailable when it cannot be written."""
        if not self._is_open:
            raise _unavailable()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, written))
        self._arrived.set()
        # Shielded: a client that hangs up still has its call written down.
        await asyncio.shield(written)

    @override
    async def run(self) -> None:
        """Write what arrives, batch after batch."""
        batch: list[_Waiting] = []
        while True:
            await self._arrived.wait()
            if len(batch) >= _COMPANY:
                await asyncio.sleep(_GATHER_SECONDS)
            batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
            if not self._waiting:
                self._arrived.clear()
            try:
                await self._settle(batch)
            except asyncio.CancelledError:
                self._fail(batch)
                raise

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Write the batch and tell its callers; one bad call must not fail the others.

        Calls that the database refuses are found by halving: the good ones are still written.
        """
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_SECONDS):
                await self._write([call for call, _ in batch])
        except Exception as error:  # noqa: BLE001 - the edge of this task; callers must learn of it
            if len(batch) > 1 and _is_refusal(error):
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
                return
            _log.exception("audit_write_failed", calls=len(batch))
            self._fail(batch)
        else:
            for _, written in batch:
                if not written.done():
                    written.set_result(None)

    async def _write(self, calls: list[ToolCall]) -> None:
        by_tenant: dict[UUID, list[ToolCall]] = defaultdict(list)
        for call in calls:
            by_tenant[call.tenant_id].append(call)
        # Always in the same order, so that two hub processes cannot wait for each other.
        first, *others = sorted(by_tenant)
        async with self._database.lean.transaction(tenant_id=first) as transaction:
            await append_tool_calls(transaction, by_tenant[first])
            for tenant_id in others:
                await transaction.enter(tenant_id)
                await append_tool_calls(transaction, by_tenant[tenant_id])

    @staticmethod
    def _fail(batch: list[_Waiting]) -> None:
        for _, written in batch:
            if not written.done():
                written.set_exception(_unavailable())
                written.exception()  # a caller that hung up does not collect it


def _is_refusal(error: Exception) -> bool:
    """Tell whether the rows were refused, by PostgreSQL or as no JSON; else halving is in vain."""
    if isinstance(error, DBAPIError):
        return str(getattr(error.orig, "sqlstate", None))[:2] in _REFUSALS
    return isinstance(error, ValueError)


def _unavailable() -> Unavailable:
    return Unavailable(
        "The audit trail cannot be written right now, so the call was not answered."
        " Try again in a moment."
    )
