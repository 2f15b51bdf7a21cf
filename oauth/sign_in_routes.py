"""Pages of sign-in and sign-out, on the app's origin. They work without JavaScript."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.background import BackgroundTask

from hub.errors import Throttled
from hub.tenancy.queries import Account
from hub.tenancy.second_factor import Factor
from hub.tenancy.sessions import end_session
from oauth.metadata import AUTHORIZE_PATH
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.rendering import problem_page
from oauth.responses import see_other
from oauth.service import OAuth, OAuthDep, request_id_of
from oauth.sessions import (
    clear_session_cookie,
    device_token,
    form_token,
    is_csrf_token,
    is_same_site,
    local_target,
    session_principal,
    session_token,
    set_device_cookie,
    set_session_cookie,
)
from oauth.sign_in import WRONG_CODE, Refused, check_password, sign_in
from oauth.sign_in_device import known_device, new_device_token
from oauth.sign_in_forms import ELSEWHERE, EXPIRED, FAILED, form_fields, form_page, is_own_form
from oauth.sign_in_second_step import SecondStep
from oauth.sign_in_trail import carry_over, write_down
from oauth.throttle import address_of
from oauth.turned_away import turn_away

SIGN_IN_FORM = "sign-in"
SIGN_OUT_FORM = "sign-out"
_CODE_FORM = "sign-in-code"
# What other pages have to say when they send a person here.
_NOTES = {
    "password-changed": "Your password was changed, and you were signed out everywhere.",
    "signed-out-everywhere": "You were signed out everywhere.",
    "left": "You left the organisation.",
}

router = APIRouter(tags=["sign-in"], default_response_class=HTMLResponse)


@router.get("/sign-in", responses=PAGE_RESPONSES)
async def show_sign_in(
    request: Request,
    oauth: OAuthDep,
    next: str = "/",  # noqa: A002 - the parameter's public name
    note: str = "",
) -> Response:
    """Show the form, or go on when somebody is signed in already."""
    target = local_target(next)
    if await session_principal(request) is not None:
        return see_other(target)
    return _form(request, oauth, {"next": target}, note=_NOTES.get(note))


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
    """Sign in and go on to where the person wanted to go, or ask for the second factor."""
    fields = await form_fields(request, oauth)
    if isinstance(fields, Response):
        return fields
    if not await is_own_form(request, oauth, fields, form=SIGN_IN_FORM):
        return _form(request, oauth, fields, status=403, message=EXPIRED)
    email = fields.get("email", "").strip().lower()
    caller = _Caller.of(request, oauth, email)
    try:
        await caller.attempt("sign-in")
    except Throttled as error:
        page = _form(request, oauth, fields, status=429, message=error.message)
        return await _throttled(request, oauth, page, error)
    outcome = await check_password(oauth, email=email, password=fields.get("password", ""))
    if isinstance(outcome, Refused):
        await caller.failed("sign-in")
        return await _refused(request, oauth, fields, outcome)
    await caller.succeeded("sign-in")
    if outcome.has_totp:
        return _code_form(request, oauth, _step_of(request, oauth, outcome), fields)
    return await _finish(request, oauth, outcome, fields, factor=None)


@router.post(
    "/sign-in/code",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        csrf_token="from the form",  # noqa: S106 - an example
        step="from the form",
        code="123456",
        next="/",
    ),
)
async def submit_code(request: Request, oauth: OAuthDep) -> Response:
    """Take the code of an authenticator app, or a recovery code, and sign in."""
    fields = await form_fields(request, oauth)
    if isinstance(fields, Response):
        return fields
    cookie = form_token(request, oauth.settings)
    step = SecondStep.opened(oauth.secret_box, fields.get("step", ""), cookie=cookie)
    account = await step.account(oauth.database) if step else None
    if not await is_own_form(request, oauth, fields, form=_CODE_FORM):
        return _form(request, oauth, fields, status=403, message=EXPIRED)
    if step is None or account is None:
        await turn_away(request, oauth, error="forged_form", reason=EXPIRED)
        return _form(request, oauth, fields, status=403, message=EXPIRED)
    caller = _Caller.of(request, oauth, account.email)
    sealed = fields["step"]
    try:
        await caller.attempt("code")
    except Throttled as error:
        page = _code_form(request, oauth, sealed, fields, status=429, message=error.message)
        return await _throttled(request, oauth, page, error)
    factor = await step.show(oauth.database, oauth.secret_box, code=fields.get("code", ""))
    if factor is None:
        await caller.failed("code")
        response = _code_form(request, oauth, sealed, fields, status=400, message=WRONG_CODE)
        refusal = Refused(WRONG_CODE, "wrong_code", account)
        return await _recorded(request, oauth, response, refusal)
    await caller.succeeded("code")
    return await _finish(request, oauth, account, fields, factor=factor)


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
    fields = await form_fields(request, oauth)
    if isinstance(fields, Response):
        return fields
    token = session_token(request, oauth.settings)
    if not _is_ours(request, oauth, token, fields.get("csrf_token", "")):
        await turn_away(request, oauth, error="forged_form", reason=ELSEWHERE)
        return problem_page(FAILED, ELSEWHERE, status=403)
    if token is not None:
        async with oauth.database.transaction() as session:
            await end_session(session, token=token, request_id=request_id_of(request))
    target = local_target(fields.get("next", "/"))
    response = see_other("/sign-in" if target == "/" else f"/sign-in?{urlencode({'next': target})}")
    clear_session_cookie(response, oauth.settings)
    return response


class _Caller:
    """Who tries: an account's name from an address, or from a browser that is known for it."""

    def __init__(self, oauth: OAuth, *, account: str, address: str, device: str | None) -> None:
        self._oauth = oauth
        self._account = account
        self._address = address
        self._device = device

    @classmethod
    def of(cls, request: Request, oauth: OAuth, email: str) -> "_Caller":
        token = device_token(request, oauth.settings)
        device = known_device(oauth.secret_box, token, email=email)
        return cls(oauth, account=email, address=address_of(request), device=device)

    async def attempt(self, kind: str) -> None:
        await self._oauth.pace.attempt(
            kind, account=self._account, address=self._address, device=self._device
        )

    async def failed(self, kind: str) -> None:
        await self._oauth.pace.failed(kind, account=self._account, device=self._device)

    async def succeeded(self, kind: str) -> None:
        await self._oauth.pace.succeeded(
            kind, account=self._account, address=self._address, device=self._device
        )


async def _finish(
    request: Request,
    oauth: OAuth,
    account: Account,
    fields: Mapping[str, str],
    *,
    factor: Factor | None,
) -> Response:
    outcome = await sign_in(
        oauth,
        account,
        former_token=session_token(request, oauth.settings),
        factor=factor,
        request_id=request_id_of(request),
    )
    if isinstance(outcome, Refused):
        return await _refused(request, oauth, fields, outcome)
    response = see_other(local_target(fields.get("next", "/")))
    welcome(response, oauth, token=outcome.token, email=account.email)
    return response


def welcome(response: Response, oauth: OAuth, *, token: str, email: str) -> None:
    """Give the browser its session, and remember that this person uses it."""
    set_session_cookie(response, token, oauth.settings)
    device = new_device_token(oauth.secret_box, email=email)
    set_device_cookie(response, device, oauth.settings)


def _is_ours(request: Request, oauth: OAuth, cookie: str | None, proof: str) -> bool:
    if not is_same_site(request):
        return False
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        return True
    return cookie is not None and is_csrf_token(
        oauth.secret_box, proof, cookie=cookie, form=SIGN_OUT_FORM
    )


def _step_of(request: Request, oauth: OAuth, account: Account) -> str:
    cookie = form_token(request, oauth.settings) or ""
    return SecondStep.after(account, cookie=cookie).sealed(oauth.secret_box)


async def _refused(
    request: Request, oauth: OAuth, fields: Mapping[str, str], refusal: Refused
) -> Response:
    response = _form(request, oauth, fields, status=400, message=refusal.message)
    return await _recorded(request, oauth, response, refusal)


async def _recorded(
    request: Request, oauth: OAuth, response: Response, refusal: Refused
) -> Response:
    step_id = await write_down(
        oauth.database,
        reason=refusal.reason,
        account=refusal.account,
        request_id=request_id_of(request),
    )
    response.background = BackgroundTask(carry_over, oauth.database, step_id)
    return response


async def _throttled(
    request: Request, oauth: OAuth, response: Response, error: Throttled
) -> Response:
    await turn_away(request, oauth, error="too_many_requests", reason=error.message)
    response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _form(
    request: Request,
    oauth: OAuth,
    fields: Mapping[str, Any],
    *,
    status: int = 200,
    message: str | None = None,
    note: str | None = None,
) -> Response:
    target = local_target(fields.get("next", "/"))
    return form_page(
        request,
        oauth,
        "sign_in.html",
        form=SIGN_IN_FORM,
        status=status,
        email=fields.get("email", "")[:254],
        next=target,
        message=message,
        note=note,
        is_connecting=target.startswith(AUTHORIZE_PATH),
    )


def _code_form(
    request: Request,
    oauth: OAuth,
    step: str,
    fields: Mapping[str, str],
    *,
    status: int = 200,
    message: str | None = None,
) -> Response:
    return form_page(
        request,
        oauth,
        "sign_in_code.html",
        form=_CODE_FORM,
        status=status,
        step=step,
        next=local_target(fields.get("next", "/")),
        message=message,
    )
