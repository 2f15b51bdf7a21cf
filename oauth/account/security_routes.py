"""A person's own security: password, second factor, and every sign-in ended at once."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.background import BackgroundTask

from hub.audit.events import EventType
from hub.database import enter
from hub.errors import Throttled
from hub.tenancy.account_commands import record_account_event, set_password
from hub.tenancy.links import end_links_of
from hub.tenancy.password_policy import weakness_of
from hub.tenancy.passwords import hash_password_in_thread, password_matches
from hub.tenancy.queries import Account, account_by_id
from hub.tenancy.second_factor import second_factor_of
from hub.tenancy.sessions import end_sessions_of, new_session_token, rotate_session
from oauth.account.letters import password_changed_letter
from oauth.account.password_routes import FORGOT_PATH
from oauth.account.visit import Visit, submission, visit
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.responses import see_other
from oauth.service import OAuthDep
from oauth.sessions import clear_session_cookie
from oauth.sign_in import record_for
from oauth.throttle import address_of
from oauth.turned_away import turn_away

PATH = "/account/security"
WRONG_PASSWORD = "The present password is not right. Nothing was changed."  # noqa: S105 - a text
_NOTES = {
    "password-changed": "Your password was changed, and your other sign-ins were ended.",
    "totp-removed": "Two-factor authentication is off.",
}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get("/account", responses=PAGE_RESPONSES)
async def show_account() -> Response:
    """Lead to the first page."""
    return see_other(PATH)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_security(request: Request, oauth: OAuthDep, done: str = "") -> Response:
    """Show how the account is protected."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    return await _page(found, note=_NOTES.get(done))


@router.post(
    "/account/password",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", current_password="", password=""),
)
async def change_password(request: Request, oauth: OAuthDep) -> Response:
    """Store a new password, end the other sign-ins, and give this one a new cookie."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    try:
        account = await checked_account(found)
    except Throttled as error:
        return await _page(found, status=429, message=error.message)
    if account is None:
        return await _page(found, status=400, message=WRONG_PASSWORD)
    password = found.fields.get("password", "")
    if weakness := await weakness_of(password, known=(account.email, account.name)):
        return await _page(found, status=400, message=weakness)
    new_token = new_session_token()
    password_hash = await hash_password_in_thread(password)
    async with oauth.database.transaction(user_id=account.user_id) as session:
        await set_password(session, user_id=account.user_id, password_hash=password_hash)
        await end_links_of(session, user_id=account.user_id)
        await end_sessions_of(session, user_id=account.user_id, but_token=found.token)
        await rotate_session(session, token=found.token, new_token=new_token)
        await record_for(session, account, EventType.PASSWORD_CHANGED, by="present password")
    response = found.with_cookie(new_token, found.person).go(PATH, done="password-changed")
    letter = password_changed_letter(
        to=account.email, reset_url=f"{oauth.settings.public_app_origin}{FORGOT_PATH}"
    )
    response.background = BackgroundTask(oauth.mail.send, letter)
    return response


@router.post(
    "/account/sign-out-everywhere",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token=""),
)
async def sign_out_everywhere(request: Request, oauth: OAuthDep) -> Response:
    """End every sign-in of this person, this one too."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    async with oauth.database.transaction(user_id=found.user_id) as session:
        number = await end_sessions_of(session, user_id=found.user_id)
        await enter(session, tenant_id=found.person.tenant_id, user_id=found.user_id)
        await record_account_event(
            session,
            event_type=EventType.SIGNED_OUT_EVERYWHERE,
            tenant_id=found.person.tenant_id,
            user_id=found.user_id,
            email=found.person.label,
            sessions=number,
        )
    response = see_other("/sign-in?note=signed-out-everywhere")
    clear_session_cookie(response, oauth.settings)
    return response


async def checked_account(found: Visit) -> Account | None:
    """Return the account when the form holds its present password; Throttled on too many tries."""
    oauth, email = found.oauth, found.person.label
    address = address_of(found.request)
    try:
        await oauth.pace.attempt("password", account=email, address=address, device=None)
    except Throttled as error:
        await turn_away(found.request, oauth, error="too_many_requests", reason=error.message)
        raise
    async with oauth.database.transaction(user_id=found.user_id) as session:
        account = await account_by_id(session, user_id=found.user_id)
    stored = account.password_hash if account else None
    if not await password_matches(found.fields.get("current_password", ""), stored):
        await turn_away(found.request, oauth, error="wrong_password", reason=WRONG_PASSWORD)
        return None
    await oauth.pace.succeeded("password", account=email, address=address, device=None)
    return account


async def _page(
    found: Visit, *, status: int = 200, message: str | None = None, note: str | None = None
) -> Response:
    async with found.oauth.database.transaction(user_id=found.user_id) as session:
        factor = await second_factor_of(session, user_id=found.user_id)
    return found.page("security.html", status=status, message=message, note=note, factor=factor)
