"""What the pages for people without a session share: sign-up, password reset, invitation."""

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from fastapi import Request, Response

from hub.errors import Throttled, Unavailable
from hub.tenancy.models import LinkKind
from hub.tenancy.sessions import digest_of
from oauth.rendering import page
from oauth.service import OAuth
from oauth.sign_in_forms import EXPIRED, FAILED, form_fields, is_own_form
from oauth.throttle import address_of

LINK_OVER = "This link is no longer good: it was used, it expired, or it is not complete."
_OVER = "The link is over"


def new_link_token() -> str:
    """Return 32 random bytes as text, for a mailed link."""
    return secrets.token_urlsafe(32)


def link_url(oauth: OAuth, path: str, token: str) -> str:
    """Return the address that is mailed: made from settings, never from a Host header."""
    return f"{oauth.settings.public_app_origin}{path}?{urlencode({'token': token})}"


def link_digest(token: str, kind: LinkKind) -> str:
    """Return what is stored of a link; one of another kind has another digest."""
    return digest_of(f"{kind.value}\n{token}")


def problem(
    message: str, *, status: int = 400, title: str = FAILED, way_on: tuple[str, str] | None = None
) -> Response:
    """Return a page that says what is wrong, and where to go on."""
    return page(
        "problem.html",
        status=status,
        title=title,
        message=message,
        request_id=None,
        was_from_app=False,
        way_on=way_on,
    )


def link_over(way_on: tuple[str, str]) -> Response:
    """Return the page for a link that is no longer good."""
    return problem(LINK_OVER, status=400, title=_OVER, way_on=way_on)


async def own_fields(request: Request, oauth: OAuth, *, form: str) -> dict[str, str] | Response:
    """Return what this browser sent from this form, or the page that says why it is not taken."""
    fields = await form_fields(request, oauth)
    if isinstance(fields, dict) and not await is_own_form(request, oauth, fields, form=form):
        return problem(EXPIRED, status=403, way_on=(request.url.path, "Back to the page"))
    return fields


async def with_letters(
    request: Request, oauth: OAuth, answer: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer where letters can be sent and this address did not cause too many; else say so."""
    try:
        oauth.mail.check()
        await oauth.pace.letter(address=address_of(request))
    except Unavailable as error:
        return problem(error.message, status=503)
    except Throttled as error:
        response = problem(error.message, status=429)
        response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response
    return await answer()
