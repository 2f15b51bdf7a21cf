"""JSON-RPC messages, and the HTTP answers that carry them."""

from dataclasses import dataclass, field
from typing import Any

import orjson

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
# Ours, outside the range that JSON-RPC reserves; they repeat the HTTP status.
UNAUTHENTICATED = 401
FORBIDDEN = 403
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503

_MAX_DEPTH = 64
type RequestId = str | int
type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `body` is None where there is nothing to say."""

    status: int
    body: bytes | None = None
    headers: Headers = field(default=())


@dataclass(frozen=True, slots=True)
class Message:
    """A well-formed JSON-RPC request or notification; `id` is None for a notification."""

    method: str
    params: dict[str, Any]
    id: RequestId | None

    @property
    def meta(self) -> dict[str, Any]:
        """The request's `_meta`, empty when it has none."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}


class MessageError(Exception):
    """The body is not a message that we can answer."""

    def __init__(self, code: int, message: str, *, request_id: RequestId | None = None) -> None:
        super().__init__(message)
        self.answer = error_answer(400, code, message, request_id=request_id)


def decoded(body: bytes) -> Any:
    """Return the JSON value in the body; raise MessageError when it holds none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageError(PARSE_ERROR, "The body is not JSON in UTF-8.") from None
    if _is_deeper_than(value, _MAX_DEPTH):
        raise MessageError(INVALID_REQUEST, f"The body is nested deeper than {_MAX_DEPTH} levels.")
    return value


def _is_deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    items = value.values() if isinstance(value, dict) else value
    return any(_is_deeper_than(item, levels - 1) for item in items)


def message_of(value: Any) -> Message | None:
    """Return the request or notification; None for a response that a client posted.

    Raises MessageError for anything else.
    """
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise MessageError(INVALID_REQUEST, "The body is not a JSON-RPC 2.0 message.")
    request_id = value.get("id")
    if "id" in value and (isinstance(request_id, bool) or not isinstance(request_id, str | int)):
        raise MessageError(INVALID_REQUEST, "`id` must be a text or a whole number.")
    if "method" not in value and ("result" in value or "error" in value):
        return None
    method, params = value.get("method"), value.get("params", {})
    if not isinstance(method, str):
        raise MessageError(INVALID_REQUEST, "`method` must be a text.", request_id=request_id)
    if not isinstance(params, dict):
        raise MessageError(INVALID_PARAMS, "`params` must be an object.", request_id=request_id)
    return Message(method=method, params=params, id=request_id)


def error_answer(
    status: int,
    code: int,
    message: str,
    *,
    request_id: RequestId | None = None,
    data: Any = None,
    headers: Headers = (),
) -> Answer:
    """Return a JSON-RPC error; its id is null when the request's could not be read."""
    error = {"code": code, "message": message} | ({"data": data} if data is not None else {})
    body = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": error})
    return Answer(status, body, headers)


def result_answer(request_id: RequestId | None, result: dict[str, Any]) -> Answer:
    """Return a JSON-RPC result."""
    return Answer(200, orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}))


ACCEPTED = Answer(202)
