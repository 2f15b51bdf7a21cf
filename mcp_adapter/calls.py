"""One tool call: rate limit, scopes, arguments, execution, and its row in the log.

Every call ends as exactly one row of `mcp_call_log`, whatever becomes of it, and no answer leaves
before the row is durable: `_record` either returns or raises `Unavailable`, and then there is no
answer to give.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from hub.audit.commands import ToolCall, append_tool_calls
from hub.audit.writer import AuditWriter
from hub.database import Database, UnitOfWork
from hub.principal import Principal
from hub.reading import ReadingWork
from hub_schema.context import Context
from hub_schema.execution import run_operation
from mcp_adapter.arguments import Checker, args_hash, checker_of
from mcp_adapter.outcome import CallOutcome, CallStatus
from mcp_adapter.rate_limit import RateLimit
from mcp_adapter.results import ResultShaper, went_wrong
from mcp_adapter.tools import Tool

_log = structlog.get_logger(__name__)
_LOGGABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A tool with what was worked out for it at start."""

    tool: Tool
    problems: Checker
    shaper: ResultShaper


@dataclass(frozen=True, slots=True)
class _Invocation:
    """One call as it came in; makes its row once the outcome is known."""

    principal: Principal
    user_id: UUID
    tool_name: str
    args_hash: str
    request_id: str
    started: float

    def row(self, status: CallStatus) -> ToolCall:
        """Return the row to be written."""
        return ToolCall(
            tenant_id=self.principal.tenant_id,
            user_id=self.user_id,
            actor=self.principal.label,
            tool_name=self.tool_name,
            args_hash=self.args_hash,
            result_status=status.value,
            duration_ms=round((time.monotonic() - self.started) * 1000),
            client_id=self.principal.client_id,
            request_id=self.request_id,
        )


class _NotDoneError(Exception):
    """Rolls a mutation back; carries the outcome that its caller gets."""

    def __init__(self, outcome: CallOutcome) -> None:
        super().__init__(outcome.status)
        self.outcome = outcome


class ToolCaller:
    """Runs tools for connectors."""

    def __init__(
        self,
        database: Database,
        audit_writer: AuditWriter,
        rate_limit: RateLimit,
        tools: Mapping[str, Tool],
    ) -> None:
        self._database = database
        self._audit_writer = audit_writer
        self._rate_limit = rate_limit
        self._changes: set[asyncio.Task[CallOutcome]] = set()
        self._tools = {
            name: _Prepared(tool, checker_of(tool.input_schema), ResultShaper.of(tool))
            for name, tool in tools.items()
        }

    async def call(
        self, principal: Principal, name: object, arguments: object, request_id: str
    ) -> CallOutcome:
        """Return how the call ended, once it is on record; raise Unavailable when it cannot be."""
        if principal.user_id is None:
            raise TypeError("A connector acts for a person.")
        invocation = _Invocation(
            principal=principal,
            user_id=principal.user_id,
            tool_name=_loggable(name),
            args_hash=args_hash({} if arguments is None else arguments),
            request_id=request_id,
            started=time.monotonic(),
        )
        prepared = self._tools.get(name) if isinstance(name, str) else None
        refusal = await self._refusal(invocation, prepared, name, arguments)
        if refusal is not None or prepared is None:
            outcome = refusal or CallOutcome(CallStatus.UNKNOWN_TOOL)
            await self._record(invocation, outcome.status)
            return outcome
        given = _given(arguments)
        if prepared.tool.operation.is_mutation:
            # A change is never left half done because a client hung up.
            change = asyncio.create_task(self._change(invocation, prepared, given))
            self._changes.add(change)  # the loop itself keeps tasks by weak references only
            change.add_done_callback(self._changes.discard)
            return await asyncio.shield(change)
        return await self._read(invocation, prepared, given)

    async def _refusal(
        self, invocation: _Invocation, prepared: _Prepared | None, name: object, arguments: object
    ) -> CallOutcome | None:
        """Return why the call is not run; None when it is."""
        wait = await self._rate_limit.seconds_to_wait(
            invocation.principal.tenant_id, invocation.user_id
        )
        if wait:
            message = f"Too many calls in this minute; try again in {wait} s."
            return CallOutcome(CallStatus.RATE_LIMITED, message=message, retry_after_seconds=wait)
        if not isinstance(name, str) or not isinstance(arguments, dict | None):
            message = "tools/call takes a `name` (text) and `arguments` (an object)."
            return CallOutcome(CallStatus.INVALID_REQUEST, message=message)
        if prepared is None:
            return CallOutcome(CallStatus.UNKNOWN_TOOL, message="There is no tool of that name.")
        granted = invocation.principal.scopes
        if missing := prepared.tool.scopes - granted:
            words = " and ".join(sorted(missing))
            return CallOutcome(
                CallStatus.REFUSED,
                message=f"The token lacks the scope {words}; authorize the connector again.",
                step_up=granted | prepared.tool.scopes,
            )
        if problems := prepared.problems(_given(arguments)):
            return CallOutcome(CallStatus.INVALID_ARGUMENTS, message=" ".join(problems))
        return None

    async def _read(
        self, invocation: _Invocation, prepared: _Prepared, arguments: Mapping[str, Any]
    ) -> CallOutcome:
        try:
            async with ReadingWork(
                self._database,
                tenant_id=invocation.principal.tenant_id,
                user_id=invocation.user_id,
            ) as work:
                outcome = await self._run(invocation, prepared, arguments, work)
        except asyncio.CancelledError:
            # Shielded by the writer itself: the row is written although nobody waits any more.
            await self._record(invocation, CallStatus.CANCELLED)
            raise
        except Exception:  # noqa: BLE001 - the edge: a caller learns of every fault, in our words
            _log.exception("tool_call_failed", tool=invocation.tool_name)
            outcome = CallOutcome(CallStatus.ERROR, message=went_wrong(invocation.request_id))
        await self._record(invocation, outcome.status)
        return outcome

    async def _change(
        self, invocation: _Invocation, prepared: _Prepared, arguments: Mapping[str, Any]
    ) -> CallOutcome:
        """Run a mutation; its effect and its row are one transaction, so neither is alone."""
        try:
            async with self._database.transaction(
                tenant_id=invocation.principal.tenant_id, user_id=invocation.user_id
            ) as session:
                outcome = await self._run(invocation, prepared, arguments, UnitOfWork(session))
                if outcome.status is not CallStatus.SUCCESS:
                    raise _NotDoneError(outcome)  # noqa: TRY301 - leaving the block is what rolls back
                await append_tool_calls(session, [invocation.row(outcome.status)])
        except _NotDoneError as refused:
            outcome = refused.outcome
        except Exception:  # noqa: BLE001 - the edge, as above
            _log.exception("tool_call_failed", tool=invocation.tool_name)
            outcome = CallOutcome(CallStatus.ERROR, message=went_wrong(invocation.request_id))
        if outcome.status is not CallStatus.SUCCESS:
            await self._record(invocation, outcome.status)
        return outcome

    @staticmethod
    async def _run(
        invocation: _Invocation,
        prepared: _Prepared,
        arguments: Mapping[str, Any],
        work: UnitOfWork,
    ) -> CallOutcome:
        context = Context(work, invocation.principal, request_id=invocation.request_id)
        result = await run_operation(prepared.tool.operation, arguments, context)
        return prepared.shaper.outcome(result, request_id=invocation.request_id)

    async def _record(self, invocation: _Invocation, status: CallStatus) -> None:
        await self._audit_writer.record(invocation.row(status))


def _given(arguments: object) -> dict[str, Any]:
    """Return the arguments that were given: clients send null for what they leave out."""
    if not isinstance(arguments, dict):
        return {}
    return {name: value for name, value in arguments.items() if value is not None}


def _loggable(name: object) -> str:
    """Return the tool's name for the log; what cannot be a name is not kept."""
    if isinstance(name, str) and _LOGGABLE_NAME.fullmatch(name):
        return name
    return "(not a tool name)"
