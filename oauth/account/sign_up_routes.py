"""Sign-up: a form, a letter, and the link in it that makes the tenant and its owner."""

from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.background import BackgroundTask

from hub.errors import Conflict, InvalidInput, Throttled
from hub.tenancy.commands import normal_email
from hub.tenancy.links import OpenLink, open_link, store_link, use_link
from hub.tenancy.models import LinkKind
from hub.tenancy.password_policy import weakness_of
from hub.tenancy.passwords import hash_password_in_thread, password_matches
from hub.tenancy.sessions import digest_of, end_session, new_session_token, open_session
from hub.tenancy.sign_up import PendingSignUp, create_account, organisation_name
from oauth.account.letters import account_exists_letter, sign_up_letter
from oauth.account.public_pages import (
    link_digest,
    link_over,
    link_url,
    new_link_token,
    own_fields,
    problem,
    with_letters,
)
from oauth.metadata import AUTHORIZE_PATH
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.rendering import page
from oauth.responses import see_other
from oauth.service import OAuth, OAuthDep, request_id_of
from oauth.sessions import form_token, local_target, session_token
from oauth.sign_in import account_of
from oauth.sign_in_forms import form_page
from oauth.sign_in_routes import welcome
from oauth.throttle import address_of

PATH = "/signup"
CONFIRM_PATH = "/signup/confirm"
NO_ADDRESS = "This is no e-mail address. Check it and try again."
NO_NAME = "The organisation needs a name of 1 to 100 characters."
WRONG_PASSWORD = "This is not the password that was chosen at sign-up."  # noqa: S105 - a text
TAKEN = "This address has an account by now. Sign in with it."
_FORM = "sign-up"
_CONFIRM_FORM = "sign-up-confirm"
_SIGN_UP_AGAIN = (PATH, "Sign up again")

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_sign_up(
    request: Request,
    oauth: OAuthDep,
    next: str = "/",  # noqa: A002 - the parameter's public name
) -> Response:
    """Show the form."""
    return _form(request, oauth, {"next": next})


@router.post(
    PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        csrf_token="from the form",  # noqa: S106 - an example
        email="ada@example.com",
        organisation="Example",
        password="blue lamp tower seven",  # noqa: S106
        next="/",
    ),
)
async def submit_sign_up(request: Request, oauth: OAuthDep) -> Response:
    """Send a letter, and answer the same whether or not the address has an account."""
    fields = await own_fields(request, oauth, form=_FORM)
    if isinstance(fields, Response):
        return fields
    try:
        email = normal_email(fields.get("email", ""))
    except InvalidInput:
        return _form(request, oauth, fields, message=NO_ADDRESS, field="email")
    try:
        organisation = organisation_name(fields.get("organisation", ""))
    except InvalidInput:
        return _form(request, oauth, fields, message=NO_NAME, field="organisation")
    password = fields.get("password", "")
    if weakness := await weakness_of(password, known=(email, organisation)):
        return _form(request, oauth, fields, message=weakness, field="password")

    async def answer() -> Response:
        pending = PendingSignUp(
            email=email,
            organisation=organisation,
            password_hash=await hash_password_in_thread(password),
            browser=digest_of(form_token(request, oauth.settings) or ""),
            next=local_target(fields.get("next", "/")),
        )
        response = see_other(f"{PATH}/sent")
        # After the answer left: looking the address up takes a different time for each kind.
        response.background = BackgroundTask(_write, oauth, pending)
        return response

    return await with_letters(request, oauth, answer)


@router.get(f"{PATH}/sent", responses=PAGE_RESPONSES)
async def show_sent() -> Response:
    """Say to look into the mail."""
    return page("letter_sent.html", again=_SIGN_UP_AGAIN)


@router.get(CONFIRM_PATH, responses=PAGE_RESPONSES)
async def show_confirmation(request: Request, oauth: OAuthDep, token: str = "") -> Response:
    """Show what will be made. Opening the link alone makes nothing: mail filters open links."""
    _, pending = await _pending(oauth, token)
    if pending is None:
        return link_over(_SIGN_UP_AGAIN)
    return _confirmation(request, oauth, token, pending)


@router.post(
    CONFIRM_PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="from the form", token="from the link", password=""),  # noqa: S106
)
async def submit_confirmation(request: Request, oauth: OAuthDep) -> Response:
    """Make the tenant and its owner, sign in, and go on to where the person wanted to go."""
    fields = await own_fields(request, oauth, form=_CONFIRM_FORM)
    if isinstance(fields, Response):
        return fields
    token = fields.get("token", "")
    link, pending = await _pending(oauth, token)
    if link is None or pending is None:
        return link_over(_SIGN_UP_AGAIN)
    if not _is_same_browser(request, oauth, pending):
        address = address_of(request)
        try:
            await oauth.pace.attempt("confirm", account=pending.email, address=address, device=None)
        except Throttled as error:
            return _confirmation(request, oauth, token, pending, message=error.message, status=429)
        if not await password_matches(fields.get("password", ""), pending.password_hash):
            return _confirmation(request, oauth, token, pending, message=WRONG_PASSWORD, status=400)
    return await _create(request, oauth, link, pending)


async def _create(
    request: Request, oauth: OAuth, link: OpenLink, pending: PendingSignUp
) -> Response:
    session_id, former = new_session_token(), session_token(request, oauth.settings)
    request_id = request_id_of(request)
    try:
        async with oauth.database.transaction(presented=link.digest) as session:
            if not await use_link(session, digest=link.digest, kind=LinkKind.SIGN_UP):
                return link_over(_SIGN_UP_AGAIN)
            if former is not None:
                await end_session(session, token=former, request_id=request_id)
            owner = await create_account(session, pending=pending, request_id=request_id)
            await open_session(
                session,
                token=session_id,
                tenant_id=owner.tenant_id,
                user_id=owner.user.id,
                email=owner.user.email,
                lifetime=timedelta(hours=oauth.settings.session_absolute_hours),
                request_id=request_id,
            )
    except Conflict:
        return problem(TAKEN, way_on=("/sign-in", "Sign in"))
    response = see_other(pending.next)
    welcome(response, oauth, token=session_id, email=pending.email)
    return response


async def _write(oauth: OAuth, pending: PendingSignUp) -> None:
    if not await oauth.pace.may_write_to(pending.email):
        return
    if await account_of(oauth, pending.email) is not None:
        origin = oauth.settings.public_app_origin
        letter = account_exists_letter(
            to=pending.email,
            sign_in_url=f"{origin}/sign-in",
            reset_url=f"{origin}/password/forgot",
        )
    else:
        token = new_link_token()
        digest = link_digest(token, LinkKind.SIGN_UP)
        async with oauth.database.transaction(presented=digest) as session:
            await store_link(
                session,
                digest=digest,
                kind=LinkKind.SIGN_UP,
                sealed=pending.sealed(oauth.secret_box),
            )
        letter = sign_up_letter(to=pending.email, link=link_url(oauth, CONFIRM_PATH, token))
    await oauth.mail.send(letter)


async def _pending(oauth: OAuth, token: str) -> tuple[OpenLink, PendingSignUp] | tuple[None, None]:
    digest = link_digest(token, LinkKind.SIGN_UP)
    async with oauth.database.transaction(presented=digest) as session:
        link = await open_link(session, digest=digest, kind=LinkKind.SIGN_UP)
    if link is None or link.sealed is None:
        return None, None
    return link, PendingSignUp.opened(oauth.secret_box, link.sealed)


def _is_same_browser(request: Request, oauth: OAuth, pending: PendingSignUp) -> bool:
    return digest_of(form_token(request, oauth.settings) or "") == pending.browser


def _confirmation(
    request: Request,
    oauth: OAuth,
    token: str,
    pending: PendingSignUp,
    *,
    status: int = 200,
    message: str | None = None,
) -> Response:
    return form_page(
        request,
        oauth,
        "sign_up_confirm.html",
        form=_CONFIRM_FORM,
        status=status,
        message=message,
        token=token,
        email=pending.email,
        organisation=pending.organisation,
        needs_password=not _is_same_browser(request, oauth, pending),
        is_connecting=pending.next.startswith(AUTHORIZE_PATH),
    )


def _form(
    request: Request,
    oauth: OAuth,
    fields: Mapping[str, str],
    *,
    message: str | None = None,
    field: str | None = None,
) -> Response:
    target = local_target(fields.get("next", "/"))
    return form_page(
        request,
        oauth,
        "sign_up.html",
        form=_FORM,
        status=400 if message else 200,
        message=message,
        wrong=field,
        email=fields.get("email", "")[:254],
        organisation=fields.get("organisation", "")[:100],
        next=target,
        is_connecting=target.startswith(AUTHORIZE_PATH),
    )
