"""The people of an organisation: invited, made something else, removed."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask

from hub.clock import utc_now
from hub.errors import Forbidden, HubError, InvalidInput
from hub.principal import Role
from hub.tenancy.commands import normal_email
from hub.tenancy.member_queries import member_cursor, members_page, open_invitations
from hub.tenancy.members import (
    INVITATION_LIFETIME,
    Rotation,
    change_role,
    invite,
    remove_member,
    revoke_invitation,
)
from hub.tenancy.queries import MANAGERS
from hub.tenancy.sessions import digest_of, new_session_token
from oauth.account.grants import end_grants_of, record_ended
from oauth.account.letters import invitation_letter
from oauth.account.public_pages import link_url, new_link_token
from oauth.account.step_up import fresh
from oauth.account.visit import Visit, status_of, submission, visit
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.responses import see_other
from oauth.service import OAuthDep
from oauth.sessions import clear_session_cookie, set_session_cookie
from oauth.throttle import address_of
from oauth.turned_away import turn_away

PATH = "/account/members"
INVITATION_PATH = "/invitation"
NO_ADDRESS = "This is no e-mail address. Check it and try again."
NO_ROLE = "Choose one of the roles."
_NOTES = {
    "invited": "The invitation is on its way.",
    "revoked": "The invitation is withdrawn: its link no longer works.",
    "changed": "The role was changed.",
    "removed": "The person was removed. Their sign-ins and connected apps here have ended.",
    "joined": "Welcome. You are a member of this organisation now.",
}

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_members(
    request: Request, oauth: OAuthDep, done: str = "", after: str = ""
) -> Response:
    """Show who belongs to the organisation, a page at a time."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    try:
        return await _page(found, note=_NOTES.get(done), after=after or None)
    except InvalidInput:
        return found.go(PATH)  # no cursor of this list: from the beginning


@router.post(
    f"{PATH}/invite",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", email="ben@example.com", role="viewer"),
)
async def invite_member(request: Request, oauth: OAuthDep) -> Response:
    """Mail a link by which somebody joins; a role that manages others needs a fresh code."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    try:
        email = normal_email(found.fields.get("email", ""))
    except InvalidInput:
        return await _page(found, status=400, message=NO_ADDRESS)
    role = _role(found)
    if role is None:
        return await _page(found, status=400, message=NO_ROLE)
    ready = await fresh(found) if role in MANAGERS and found.may_manage else found
    return ready if isinstance(ready, Response) else await _invite(ready, email, role)


@router.post(
    f"{PATH}/invitation/revoke",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", invitation="id"),
)
async def withdraw_invitation(request: Request, oauth: OAuthDep) -> Response:
    """Make the link of an invitation worthless."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found

    async def withdraw(session: AsyncSession) -> None:
        invitation_id = _id(found, "invitation")
        await revoke_invitation(session, by=found.person, invitation_id=invitation_id)

    return await _done(found, withdraw, done="revoked")


@router.post(
    f"{PATH}/role",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", member="id", role="operator", code=""),
)
async def change_member(request: Request, oauth: OAuthDep) -> Response:
    """Make a member something else, with a fresh code."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    role = _role(found)
    if role is None:
        return await _page(found, status=400, message=NO_ROLE)
    ready = await fresh(found) if found.may_manage else found
    if isinstance(ready, Response):
        return ready

    cookies = Rotation(ready.token, new_session_token())

    async def change(session: AsyncSession) -> None:
        await change_role(
            session,
            by=ready.person,
            user_id=_id(ready, "member"),
            role=role,
            fresh_within=ready.fresh_within,
            cookies=cookies,
        )

    response = await _done(ready, change, done="changed")
    is_own = _id(ready, "member") == ready.user_id and role is not ready.person.role
    if response.status_code == _SEE_OTHER and is_own:
        set_session_cookie(response, cookies.new, oauth.settings)
    return response


@router.post(
    f"{PATH}/remove",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", member="id", code=""),
)
async def remove(request: Request, oauth: OAuthDep) -> Response:
    """Remove a member with a fresh code, or leave; with them go their sign-ins and apps here."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    is_leaving = found.fields.get("member") == str(found.user_id)
    ready = await fresh(found) if found.may_manage else found
    if isinstance(ready, Response):
        return ready

    async def take_out(session: AsyncSession) -> None:
        by, user_id = ready.person, _id(ready, "member")
        # Undone where the removal is refused: all of this is one transaction.
        ended = await end_grants_of(session, by=by, user_id=user_id)
        await remove_member(session, by=by, user_id=user_id, fresh_within=ready.fresh_within)
        await record_ended(session, by=by, ended=ended)

    response = await _done(ready, take_out, done="removed")
    if is_leaving and response.status_code == _SEE_OTHER:
        response = see_other("/sign-in?note=left")
        clear_session_cookie(response, oauth.settings)
    return response


_SEE_OTHER = 303


async def _invite(found: Visit, email: str, role: Role) -> Response:
    oauth, token = found.oauth, new_link_token()

    async def store(session: AsyncSession) -> None:
        await invite(
            session,
            by=found.person,
            email=email,
            role=role,
            digest=invitation_digest(token),
            fresh_within=found.fresh_within,
        )

    try:
        oauth.mail.check()
        await oauth.pace.letter(address=address_of(found.request))
        await _write(found, store)
    except HubError as error:
        return await _refused(found, error)
    letter = invitation_letter(
        to=email,
        organisation=found.tenant.tenant_name,
        inviter=found.person.label,
        link=link_url(oauth, INVITATION_PATH, token),
        until=utc_now() + INVITATION_LIFETIME,
    )
    response = found.go(PATH, done="invited")
    response.background = BackgroundTask(oauth.mail.send, letter)
    return response


def invitation_digest(token: str) -> str:
    """Return what is stored of an invitation's link."""
    return digest_of(f"invitation\n{token}")


async def _done(
    found: Visit, command: Callable[[AsyncSession], Awaitable[None]], *, done: str
) -> Response:
    try:
        await _write(found, command)
    except HubError as error:
        return await _refused(found, error)
    return found.go(PATH, done=done)


async def _write(found: Visit, command: Callable[[AsyncSession], Awaitable[None]]) -> None:
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        await command(session)


async def _refused(found: Visit, error: HubError) -> Response:
    if isinstance(error, Forbidden):
        await turn_away(found.request, found.oauth, error="forbidden", reason=error.message)
    return await _page(found, status=status_of(error), message=error.message)


async def _page(
    found: Visit,
    *,
    status: int = 200,
    message: str | None = None,
    note: str | None = None,
    after: str | None = None,
) -> Response:
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        members = await members_page(session, after=after)
        invitations = await open_invitations(session) if found.may_manage else []
    return found.page(
        "members.html",
        status=status,
        message=message,
        note=note,
        members=members.rows,
        total=members.total,
        next_page=member_cursor(members.rows[-1]) if members.has_next else None,
        is_first=after is None,
        invitations=invitations,
        roles=[role for role in Role if role is not Role.OWNER or found.person.role is Role.OWNER],
        email=found.fields.get("email", "") if message else "",
    )


def _role(found: Visit) -> Role | None:
    text = found.fields.get("role", "")
    return Role(text) if text in set(Role) else None


def _id(found: Visit, name: str) -> UUID:
    try:
        return UUID(found.fields.get(name, ""))
    except ValueError:
        return UUID(int=0)  # nobody has it, and the command says so
