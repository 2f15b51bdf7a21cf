"""Forms for people who are not signed in: tied to their browser by a cookie, and to our pages."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import OAuth2Error
from fastapi import Request, Response

from hub.tenancy.sessions import new_session_token
from oauth.rendering import page, problem_page
from oauth.requests import form_pairs
from oauth.service import OAuth
from oauth.sessions import csrf_token, form_token, is_csrf_token, is_same_site, set_form_cookie
from oauth.turned_away import turn_away

EXPIRED = "This form was open for too long, or cookies are blocked. Please try once more."
ELSEWHERE = "The form was sent from another site, so nothing was changed."
FAILED = "That did not work"


def form_page(
    request: Request,
    oauth: OAuth,
    template: str,
    *,
    form: str,
    status: int = 200,
    **values: Any,
) -> Response:
    """Return a page with a form; its cookie keeps other sites and browsers from sending it."""
    cookie = form_token(request, oauth.settings) or new_session_token()
    proof = csrf_token(oauth.secret_box, cookie=cookie, form=form)
    response = page(template, status=status, csrf_token=proof, **values)
    set_form_cookie(response, cookie, oauth.settings)
    return response


async def form_fields(request: Request, oauth: OAuth) -> dict[str, str] | Response:
    """Return what was sent from a page of ours, or the page that says why it was not taken."""
    try:
        fields = dict(await form_pairs(request, limit=oauth.settings.max_request_bytes))
    except OAuth2Error as error:
        return problem_page(FAILED, error.description, status=error.status_code)
    if not is_same_site(request):
        await turn_away(request, oauth, error="forged_form", reason=ELSEWHERE)
        return problem_page(FAILED, ELSEWHERE, status=403)
    return fields


async def is_own_form(
    request: Request, oauth: OAuth, fields: Mapping[str, str], *, form: str
) -> bool:
    """Tell whether the form was given to this very browser; what was not is written down."""
    cookie = form_token(request, oauth.settings)
    proof = fields.get("csrf_token", "")
    if cookie is not None and is_csrf_token(oauth.secret_box, proof, cookie=cookie, form=form):
        return True
    await turn_away(request, oauth, error="forged_form", reason=EXPIRED)
    return False
