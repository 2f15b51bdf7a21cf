"""Errors of the REST side: what clients read when a request is refused or something breaks."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

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
from hub.outage import DATABASE_FAILURES, RETRY_AFTER_SECONDS, is_passing, sqlstate_of
from hub.web.refusals import refusal_page, wants_page

_log = structlog.get_logger(__name__)

# What the router says when nothing of ours was reached; anything else has words of its own.
_UNROUTED: dict[int, tuple[str, str]] = {
    404: (NotFound.code, "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "This address does not take this method; see the header Allow."),
}

_STATUS: dict[type[HubError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    Conflict: 409,
    Unauthenticated: 401,
    Forbidden: 403,
    Throttled: 429,
    Unavailable: 503,
}


class Problem(BaseModel):
    """What was wrong, and with which field."""

    code: str
    message: str
    field: str | None = None


class ProblemResponse(BaseModel):
    """The body of every refusal."""

    error: Problem


def install_error_handlers(app: FastAPI) -> None:
    """Make every refusal one shape, with words of ours only."""
    app.add_exception_handler(HubError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _unrouted)
    for kind in DATABASE_FAILURES:
        app.add_exception_handler(kind, _perhaps_away)
    app.add_exception_handler(Exception, broken)


def problem(
    status: int, code: str, message: str, *, field: str | None = None, **headers: str
) -> JSONResponse:
    """Return a refusal."""
    body = ProblemResponse(error=Problem(code=code, message=message, field=field))
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=headers or None)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HubError)  # noqa: S101 - registered for this type only
    return refusal(error)


def refusal(error: HubError) -> JSONResponse:
    """Return the answer that says this refusal."""
    headers = {}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    status = _STATUS.get(type(error), 500)
    headers |= error.headers
    return problem(status, error.code, error.message, field=error.field, **headers)


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer for addresses and methods that there are not: a page for people, JSON for programs."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    if error.status_code not in _UNROUTED:
        return await http_exception_handler(request, error)
    headers = dict(error.headers or {})
    if wants_page(request):
        return refusal_page(request, error.status_code, **headers)
    return problem(error.status_code, *_UNROUTED[error.status_code], **headers)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    """Name the first field that is wrong, never what stood in it."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return problem(422, InvalidInput.code, f"{first['msg']}.", field=field[:200])


async def _perhaps_away(request: Request, error: Exception) -> Response:
    """Answer 503 to what passes by itself; any other fault of the database is ours."""
    if not is_passing(error):
        return await broken(request, error)
    _log.warning("database_away", error=type(error).__name__, state=sqlstate_of(error))
    if wants_page(request):
        return refusal_page(request, 503, **{"Retry-After": RETRY_AFTER_SECONDS})
    away = "The hub cannot reach its database right now. Try again in a moment."
    return problem(503, Unavailable.code, away, **{"Retry-After": RETRY_AFTER_SECONDS})


async def broken(request: Request, error: Exception) -> Response:
    """Answer a fault that nobody expected, and log it."""
    _log.error("request_failed", exc_info=error)
    if wants_page(request):
        return refusal_page(request, 500)
    return problem(
        500,
        HubError.code,
        "Something went wrong on our side. It is logged; quote the X-Request-Id of this answer.",
    )
