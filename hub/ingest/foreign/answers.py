"""What senders read: one shape for what was stored and for what was refused."""

from collections.abc import Awaitable, Callable
from functools import wraps

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from hub.errors import (
    Conflict,
    Forbidden,
    HubError,
    InvalidInput,
    NotFound,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from hub.faults import Problem
from hub.ingest.foreign.bodies import TooLarge, UnsupportedMedia
from hub.ingest.foreign.door import RETRY_AFTER_SECONDS
from hub.ingest.foreign.outcome import Delivered, Outcome
from hub.ingest.unread import Arriving

_STATUS: tuple[tuple[type[HubError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (UnsupportedMedia, 415),
    (InvalidInput, 422),
    (Throttled, 429),
    (Unavailable, 503),
)


def status_of(error: HubError) -> int:
    """Return the HTTP status of a refusal."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def headers_of(error: HubError) -> dict[str, str]:
    """Return the headers of a refusal: how to authenticate, when to come back, not to go on."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer", "Connection": "close"}
    if isinstance(error, Throttled):
        return {"Retry-After": str(error.retry_after_seconds), "Connection": "close"}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(RETRY_AFTER_SECONDS), "Connection": "close"}
    # The rest of the body was not read, so the connection cannot be used again.
    is_unread = isinstance(error, TooLarge | UnsupportedMedia | Forbidden)
    return {"Connection": "close"} if is_unread else {}


def answered(
    handle: Callable[[Request], Awaitable[Outcome]],
) -> Callable[[Request], Awaitable[Response]]:
    """Turn what became of a payload, or why it was refused, into the answer."""

    @wraps(handle)
    async def answer(request: Request) -> Response:
        arriving = Arriving(request.receive)
        try:
            outcome = await handle(Request(request.scope, arriving))
        except HubError as error:
            await arriving.let_go()
            problem = Problem(code=error.code, message=error.message, field=error.field)
            body = {"error": problem.model_dump(exclude_none=True)}
            return JSONResponse(body, status_of(error), headers=headers_of(error))
        return _delivered(outcome)

    return answer


def _delivered(outcome: Outcome) -> Response:
    told = Delivered.of(outcome).model_dump()
    if not outcome.is_refused:
        return JSONResponse(told, 202)
    first = told["rejected"][0]
    error = Problem(
        code=InvalidInput.code,
        message=f"Nothing was stored. {first['reason']}",
        field=first["field"],
    )
    return JSONResponse({"error": error.model_dump()} | told, 422)
