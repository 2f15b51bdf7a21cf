"""How a tool call ended: what the caller is told, and the word that the log keeps."""

from dataclasses import dataclass
from enum import StrEnum

from hub.principal import Scope


class CallStatus(StrEnum):
    """`result_status` of `mcp_call_log`. People search for these words, so they do not change."""

    SUCCESS = "success"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    UNKNOWN_TOOL = "unknown_tool"
    INVALID_REQUEST = "invalid_request"
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The answer to one call.

    `content` is the result as JSON, for a success; `message` says in our words what went wrong.
    `step_up` holds the scopes a token would need, when it lacked one.
    """

    status: CallStatus
    content: bytes | None = None
    message: str = ""
    step_up: frozenset[Scope] | None = None
    retry_after_seconds: int | None = None
