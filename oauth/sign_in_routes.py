"""Pages of sign-in and sign-out, on the app's origin. They work without JavaScript."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.background import BackgroundTask

from hub.errors import Throttled
from hub.tenancy.sessions import end_session, new_session_token
from oauth.metadata import AUTHORIZE_PATH
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.rendering import page, problem_page
from oauth.requests import form_pairs
from oauth.responses import see_other
from oauth.service import OAuth, OAuthDep, request_id_of
from oauth.sessions import (
    clear_session_cookie,
    csrf_token,
    form_token,
    is_csrf_token,
    is_same_site,
    local_target,
    session_principal,
    session_token,
    set_form_cookie,
    set_session_cookie,
)
from oauth.sign_in import Refused, record_refusal, sign_in
from oauth.throttle import address_of

SIGN_IN_FORM = "sign-in"
SIGN_OUT_FORM = "sign-out"
_EXPIRED = "This form was open for too long, or cookies are blocked. Please try once more."
_ELSEWHERE = "The form was sent from another site, so nothing was changed."

router = APIRouter(tags=["sign-in"], default_response_class=HTMLResponse)


@router.get("/sign-in", responses=PAGE_RESPONSES)
async def show_sign_in(request: Request, oauth: OAuthDep, next: str = "/") -> Response:  # noqa: A002 - the parameter's public name
    """Show the form, or go on when somebody is signed in already."""
    target = local_target(next)
    if await session_principal(request) is not None:
        return see_other(target)
    return _form(request, oauth, {"next": target})


@router.post(
    "/sign-in",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        csrf_token="from the form",  # noqa: S106 - an example
        email="ada@example.com",
        password="correct horse battery staple",  # noqa: S106
        next="/",
    ),
)
async def submit_sign_in(request: Request, oauth: OAuthDep) -> Response:
    """Sign in and go on to where the person wanted to go."""
    try:
        fields = dict(await form_pairs(request, limit=oauth.settings.max_request_bytes))
    except OAuth2Error as error:
        return problem_page("That did not work", error.description, status=error.status_code)
    if not is_same_site(request):
        return problem_page("That did not work", _ELSEWHERE, status=403)
    cookie = form_token(request, oauth.settings)
    proof = fields.get("csrf_token", "")
    if cookie is None or not is_csrf_token(
        oauth.secret_box, proof, cookie=cookie, form=SIGN_IN_FORM
    ):
        return _form(request, oauth, fields, status=403, message=_EXPIRED)
    return await _attempt(request, oauth, fields)


async def _attempt(request: Request, oauth: OAuth, fields: Mapping[str, str]) -> Response:
    email = fields.get("email", "").strip().lower()
    try:
        await oauth.throttle.sign_in(address=address_of(request), email=email)
    except Throttled as error:
        response = _form(request, oauth, fields, status=429, message=error.message)
        response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response
    request_id = request_id_of(request)
    outcome = await sign_in(
        oauth,
        email=email,
        password=fields.get("password", ""),
        former_token=session_token(request, oauth.settings),
        request_id=request_id,
    )
    if isinstance(outcome, Refused):
        response = _form(request, oauth, fields, status=400, message=outcome.message)
        response.background = BackgroundTask(record_refusal, oauth, outcome, request_id=request_id)
        return response
    response = see_other(local_target(fields.get("next", "/")))
    set_session_cookie(response, outcome.token, oauth.settings)
    return response


@router.post(
    "/sign-out",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="from the form", next="/"),  # noqa: S106 - an example
)
async def submit_sign_out(request: Request, oauth: OAuthDep) -> Response:
    """End the session and show the sign-in form.

    Needs the token of a form, or the browser's word that the request comes from our own pages:
    with that, the dashboard can sign out with a plain request.
    """
    try:
        fields = dict(await form_pairs(request, limit=oauth.settings.max_request_bytes))
    except OAuth2Error as error:
        return problem_page("That did not work", error.description, status=error.status_code)
    token = session_token(request, oauth.settings)
    if not _is_ours(request, oauth, token, fields.get("csrf_token", "")):
        return problem_page("That did not work", _ELSEWHERE, status=403)
    if token is not None:
        async with oauth.database.transaction() as session:
            await end_session(session, token=token, request_id=request_id_of(request))
    target = local_target(fields.get("next", "/"))
    response = see_other("/sign-in" if target == "/" else f"/sign-in?{urlencode({'next': target})}")
    clear_session_cookie(response, oauth.settings)
    return response


def _is_ours(request: Request, oauth: OAuth, cookie: str | None, proof: str) -> bool:
    if not is_same_site(request):
        return False
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        return True
    return cookie is not None and is_csrf_token(
        oauth.secret_box, proof, cookie=cookie, form=SIGN_OUT_FORM
    )


def _form(
    request: Request,
    oauth: OAuth,
    fields: Mapping[str, Any],
    *,
    status: int = 200,
    message: str | None = None,
) -> Response:
    """Return the form; a cookie ties it to this browser, so that no other site can send it."""
    cookie = form_token(request, oauth.settings) or new_session_token()
    target = local_target(fields.get("next", "/"))
    response = page(
        "sign_in.html",
        status=status,
        csrf_token=csrf_token(oauth.secret_box, cookie=cookie, form=SIGN_IN_FORM),
        email=fields.get("email", "")[:254],
        next=target,
        message=message,
        is_connecting=target.startswith(AUTHORIZE_PATH),
    )
    set_form_cookie(response, cookie, oauth.settings)
    return response
