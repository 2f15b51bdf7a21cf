"""From what GraphQL answered to what the tool's caller gets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError

from mcp_adapter.outcome import CallOutcome, CallStatus
from mcp_adapter.sanitise import Cleaner, cleaner_of
from mcp_adapter.tools import Tool

# Claude cuts results off at 25,000 tokens, which is about this many characters.
MAX_RESULT_BYTES = 100_000
_NOTHING = "Nothing in this tenant matches these arguments."
_STATUS_BY_CODE = {
    "INVALID_INPUT": CallStatus.INVALID_ARGUMENTS,
    "NOT_FOUND": CallStatus.NOT_FOUND,
    "FORBIDDEN": CallStatus.REFUSED,
    "CONFLICT": CallStatus.ERROR,
    "THROTTLED": CallStatus.ERROR,
    "UNAVAILABLE": CallStatus.ERROR,
}
_QUOTED_NAME = re.compile(r"`(\w+)`")


@dataclass(frozen=True, slots=True)
class ResultShaper:
    """Unwraps, cleans and measures the results of one tool."""

    tool: Tool
    clean: Cleaner | None

    @classmethod
    def of(cls, tool: Tool) -> "ResultShaper":
        """Return the shaper of a tool."""
        return cls(tool=tool, clean=cleaner_of(tool.output_schema))

    def outcome(self, result: ExecutionResult, *, request_id: str) -> CallOutcome:
        """Return what the caller gets."""
        if result.errors:
            return self._refusal(result.errors[0], request_id=request_id)
        value = result.data[self.tool.root] if result.data else None
        if value is None:
            return CallOutcome(CallStatus.NOT_FOUND, message=_NOTHING)
        content = orjson.dumps(self.clean(value) if self.clean else value)
        if len(content) > MAX_RESULT_BYTES:
            return CallOutcome(CallStatus.ERROR, message=self._too_long())
        return CallOutcome(CallStatus.SUCCESS, content=content)

    def _refusal(self, error: GraphQLError, *, request_id: str) -> CallOutcome:
        status = _STATUS_BY_CODE.get(str((error.extensions or {}).get("code")))
        if status is None:
            # Masked faults, and graphql-core's own words, which may quote foreign text.
            return CallOutcome(CallStatus.ERROR, message=went_wrong(request_id))
        message = _QUOTED_NAME.sub(
            lambda name: f"`{self.tool.variables.get(name[1], name[1])}`", error.message
        )
        return CallOutcome(status, message=message)

    def _too_long(self) -> str:
        ways = ways_to_narrow(self.tool.input_schema.get("properties", {}))
        return f"The answer would be longer than 25,000 tokens, so it was not sent. {ways}"


def ways_to_narrow(properties: Mapping[str, Any]) -> str:
    """Return which arguments make an answer smaller."""
    filters = [f"`{name}`" for name in properties if name not in {"limit", "after"}]
    ways = ["a smaller `limit`"] if "limit" in properties else []
    if filters:
        ways.append("a filter by " + " or ".join(filters))
    return f"Call again with {' or '.join(ways)}." if ways else "Ask for something narrower."


def went_wrong(request_id: str) -> str:
    """Return what a caller is told of a fault of ours, which the log tells in full."""
    return (
        "Something went wrong on our side and is logged. Try again; if it persists, give the"
        f" request id {request_id} to whoever runs the hub."
    )
