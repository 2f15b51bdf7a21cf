"""What a person reads in a browser where there is no page, or where something broke."""

from starlette.requests import Request
from starlette.responses import HTMLResponse

from hub.web.rendering import language_of, page


def wants_page(request: Request) -> bool:
    """Return whether a browser asks; programs say JSON, an event stream, or anything at all."""
    return "text/html" in request.headers.get("accept", "").lower()


def refusal_page(request: Request, status: int, **headers: str) -> HTMLResponse:
    """Return the page for this status, with the request id that an operator can look for."""
    answer = page(
        "refusal.html",
        language=language_of(request),
        status=status,
        reason=status,
        request_id=getattr(request.state, "request_id", None),
    )
    answer.headers.update(headers)
    return answer
