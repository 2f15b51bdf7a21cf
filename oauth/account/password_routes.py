"""A forgotten password: a letter, and the link in it under which a new one is chosen."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.background import BackgroundTask

from hub.audit.events import EventType
from hub.database import enter
from hub.tenancy.account_commands import confirm_email, set_password
from hub.tenancy.links import end_links_of, open_link, store_link, use_link
from hub.tenancy.models import LinkKind
from hub.tenancy.password_policy import weakness_of
from hub.tenancy.passwords import hash_password_in_thread
from hub.tenancy.queries import Account, account_by_id
from hub.tenancy.sessions import end_sessions_of
from oauth.account.letters import password_changed_letter, reset_letter
from oauth.account.public_pages import (
    link_digest,
    link_over,
    link_url,
    new_link_token,
    own_fields,
    with_letters,
)
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.rendering import page
from oauth.responses import see_other
from oauth.service import OAuth, OAuthDep
from oauth.sessions import clear_session_cookie, local_target, set_device_cookie
from oauth.sign_in import account_of, record_for
from oauth.sign_in_device import new_device_token
from oauth.sign_in_forms import form_page

FORGOT_PATH = "/password/forgot"
RESET_PATH = "/password/reset"
_FORGOT_FORM = "password-forgot"
_RESET_FORM = "password-reset"
_ASK_AGAIN = (FORGOT_PATH, "Ask for a new link")

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(FORGOT_PATH, responses=PAGE_RESPONSES)
async def show_forgot(
    request: Request,
    oauth: OAuthDep,
    next: str = "/",  # noqa: A002 - the parameter's public name
) -> Response:
    """Show the form."""
    return form_page(
        request, oauth, "password_forgot.html", form=_FORGOT_FORM, next=local_target(next)
    )


@router.post(
    FORGOT_PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="from the form", email="ada@example.com"),  # noqa: S106
)
async def submit_forgot(request: Request, oauth: OAuthDep) -> Response:
    """Send a letter to who has an account, and answer the same to everybody."""
    fields = await own_fields(request, oauth, form=_FORGOT_FORM)
    if isinstance(fields, Response):
        return fields

    async def answer() -> Response:
        response = see_other("/password/sent")
        # After the answer left: it takes longer for who exists.
        response.background = BackgroundTask(_write, oauth, fields.get("email", ""))
        return response

    return await with_letters(request, oauth, answer)


@router.get("/password/sent", responses=PAGE_RESPONSES)
async def show_sent() -> Response:
    """Say to look into the mail."""
    return page("letter_sent.html", again=_ASK_AGAIN)


@router.get(RESET_PATH, responses=PAGE_RESPONSES)
async def show_reset(request: Request, oauth: OAuthDep, token: str = "") -> Response:
    """Show the form for a new password."""
    account = await _account(oauth, token)
    if account is None:
        return link_over(_ASK_AGAIN)
    return form_page(
        request,
        oauth,
        "password_reset.html",
        form=_RESET_FORM,
        token=token,
        email=account.email,
        message=None,
    )


@router.post(
    RESET_PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        csrf_token="from the form",  # noqa: S106 - an example
        token="from the link",  # noqa: S106
        password="blue lamp tower seven",  # noqa: S106
    ),
)
async def submit_reset(request: Request, oauth: OAuthDep) -> Response:
    """Store the new password and end every sign-in; the second factor stays what it was."""
    fields = await own_fields(request, oauth, form=_RESET_FORM)
    if isinstance(fields, Response):
        return fields
    token, password = fields.get("token", ""), fields.get("password", "")
    account = await _account(oauth, token)
    if account is None:
        return link_over(_ASK_AGAIN)
    if weakness := await weakness_of(password, known=(account.email, account.name)):
        return form_page(
            request,
            oauth,
            "password_reset.html",
            form=_RESET_FORM,
            status=400,
            token=token,
            email=account.email,
            message=weakness,
        )
    if not await _reset(oauth, account, token, await hash_password_in_thread(password)):
        return link_over(_ASK_AGAIN)
    response = see_other("/sign-in?note=password-changed")
    clear_session_cookie(response, oauth.settings)
    # Who reads the mail is who we write to: from here on, strangers cannot hold up this browser.
    device = new_device_token(oauth.secret_box, email=account.email)
    set_device_cookie(response, device, oauth.settings)
    letter = password_changed_letter(
        to=account.email, reset_url=f"{oauth.settings.public_app_origin}{FORGOT_PATH}"
    )
    response.background = BackgroundTask(oauth.mail.send, letter)
    return response


async def _reset(oauth: OAuth, account: Account, token: str, password_hash: str) -> bool:
    digest = link_digest(token, LinkKind.RESET_PASSWORD)
    async with oauth.database.transaction(presented=digest) as session:
        if not await use_link(session, digest=digest, kind=LinkKind.RESET_PASSWORD):
            return False
        await enter(session, user_id=account.user_id)
        await set_password(session, user_id=account.user_id, password_hash=password_hash)
        await confirm_email(session, user_id=account.user_id)
        await end_links_of(session, user_id=account.user_id)
        await end_sessions_of(session, user_id=account.user_id)
        await record_for(session, account, EventType.PASSWORD_CHANGED, by="reset link")
    return True


async def _write(oauth: OAuth, email: str) -> None:
    account = await account_of(oauth, email)
    if account is None or account.is_disabled or not await oauth.pace.may_write_to(account.email):
        return
    token = new_link_token()
    digest = link_digest(token, LinkKind.RESET_PASSWORD)
    async with oauth.database.transaction(user_id=account.user_id, presented=digest) as session:
        await store_link(
            session, digest=digest, kind=LinkKind.RESET_PASSWORD, user_id=account.user_id
        )
        await record_for(session, account, EventType.PASSWORD_RESET_REQUESTED)
    await oauth.mail.send(reset_letter(to=account.email, link=link_url(oauth, RESET_PATH, token)))


async def _account(oauth: OAuth, token: str) -> Account | None:
    digest = link_digest(token, LinkKind.RESET_PASSWORD)
    async with oauth.database.transaction(presented=digest) as session:
        link = await open_link(session, digest=digest, kind=LinkKind.RESET_PASSWORD)
        if link is None or link.user_id is None:
            return None
        await enter(session, user_id=link.user_id)
        account = await account_by_id(session, user_id=link.user_id)
    return None if account is None or account.is_disabled else account
