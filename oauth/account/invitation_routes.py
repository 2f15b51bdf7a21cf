"""An invitation, opened by its link: joined with the account one has, or with a new one."""

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from hub.database import enter
from hub.errors import Conflict
from hub.tenancy.account_commands import confirm_email
from hub.tenancy.commands import add_member, create_user
from hub.tenancy.member_queries import OpenInvitation, invitation_by_digest
from hub.tenancy.members import use_invitation
from hub.tenancy.password_policy import weakness_of
from hub.tenancy.passwords import hash_password_in_thread
from hub.tenancy.queries import tenant_name
from hub.tenancy.sessions import end_session, new_session_token, open_session, rotate_session
from oauth.account.member_routes import INVITATION_PATH, invitation_digest
from oauth.account.member_routes import PATH as MEMBERS_PATH
from oauth.account.public_pages import LINK_OVER, link_over, own_fields
from oauth.names import visible
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.responses import see_other
from oauth.service import OAuth, OAuthDep, request_id_of
from oauth.sessions import csrf_token, session_principal, session_token
from oauth.sign_in import account_of
from oauth.sign_in_forms import form_page
from oauth.sign_in_routes import SIGN_OUT_FORM, welcome

IS_MEMBER = "You are a member of this organisation already."
_FORM = "invitation"
_SIGN_IN = ("/sign-in", "Sign in")

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(INVITATION_PATH, responses=PAGE_RESPONSES)
async def show_invitation(request: Request, oauth: OAuthDep, token: str = "") -> Response:
    """Show who invites to what. Opening the link alone joins nothing: mail filters open links."""
    invitation = await _invitation(oauth, token)
    if invitation is None:
        return link_over(_SIGN_IN)
    return await _page(request, oauth, token, invitation)


@router.post(
    INVITATION_PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", token="from the link", name="", password=""),  # noqa: S106
)
async def accept_invitation(request: Request, oauth: OAuthDep) -> Response:
    """Join: as who is signed in, or with an account that is made now."""
    fields = await own_fields(request, oauth, form=_FORM)
    if isinstance(fields, Response):
        return fields
    token = fields.get("token", "")
    invitation = await _invitation(oauth, token)
    if invitation is None:
        return link_over(_SIGN_IN)
    person = await session_principal(request)
    has_account = await account_of(oauth, invitation.email) is not None
    if person is not None and person.label == invitation.email:
        return await _join(request, oauth, token, invitation)
    if person is not None or has_account:
        return await _page(request, oauth, token, invitation)
    password = fields.get("password", "")
    name = visible(fields.get("name", ""))[:200]
    if weakness := await weakness_of(password, known=(invitation.email, name)):
        return await _page(request, oauth, token, invitation, message=weakness)
    return await _create(request, oauth, token, invitation, name=name, password=password)


async def _join(request: Request, oauth: OAuth, token: str, invitation: OpenInvitation) -> Response:
    person, cookie = await session_principal(request), session_token(request, oauth.settings)
    assert person is not None  # noqa: S101 - checked by the caller
    assert person.user_id is not None  # noqa: S101 - sessions belong to people
    new_token = new_session_token()
    try:
        async with oauth.database.transaction(user_id=person.user_id) as session:
            await confirm_email(session, user_id=person.user_id)
            await rotate_session(
                session,
                token=cookie or "",
                new_token=new_token,
                tenant_id=invitation.tenant_id,
            )
            await _use_or_raise(session, invitation, token)
            await add_member(
                session,
                tenant_id=invitation.tenant_id,
                user_id=person.user_id,
                email=person.label,
                role=invitation.role,
                actor=person.label,
                request_id=request_id_of(request),
            )
    except Conflict as error:
        message = LINK_OVER if error.message == LINK_OVER else IS_MEMBER
        return await _page(request, oauth, token, invitation, message=message)
    response = see_other(f"{MEMBERS_PATH}?done=joined")
    welcome(response, oauth, token=new_token, email=person.label)
    return response


async def _create(
    request: Request,
    oauth: OAuth,
    token: str,
    invitation: OpenInvitation,
    *,
    name: str,
    password: str,
) -> Response:
    password_hash, new_token = await hash_password_in_thread(password), new_session_token()
    former, request_id = session_token(request, oauth.settings), request_id_of(request)
    if former is not None:  # on its own: it may be in another tenant, with a trail of its own
        async with oauth.database.transaction() as session:
            await end_session(session, token=former, request_id=request_id)
    async with oauth.database.transaction() as session:
        if not await _use(session, invitation, token):
            return link_over(_SIGN_IN)
        user = await create_user(
            session,
            tenant_id=invitation.tenant_id,
            email=invitation.email,
            name=name,
            password_hash=password_hash,
            role=invitation.role,
            actor=invitation.email,
            request_id=request_id,
        )
        await confirm_email(session, user_id=user.id)
        await open_session(
            session,
            token=new_token,
            tenant_id=invitation.tenant_id,
            user_id=user.id,
            email=user.email,
            lifetime=timedelta(hours=oauth.settings.session_absolute_hours),
            request_id=request_id,
        )
    response = see_other(f"{MEMBERS_PATH}?done=joined")
    welcome(response, oauth, token=new_token, email=user.email)
    return response


async def _use_or_raise(session: AsyncSession, invitation: OpenInvitation, token: str) -> None:
    if not await _use(session, invitation, token):
        raise Conflict(LINK_OVER)


async def _use(session: AsyncSession, invitation: OpenInvitation, token: str) -> bool:
    await enter(session, tenant_id=invitation.tenant_id)
    return await use_invitation(session, digest=invitation_digest(token))


async def _invitation(oauth: OAuth, token: str) -> OpenInvitation | None:
    digest = invitation_digest(token)
    async with oauth.database.transaction(presented=digest) as session:
        return await invitation_by_digest(session, digest=digest)


async def _page(
    request: Request,
    oauth: OAuth,
    token: str,
    invitation: OpenInvitation,
    *,
    message: str | None = None,
) -> Response:
    person = await session_principal(request)
    async with oauth.database.transaction(tenant_id=invitation.tenant_id) as session:
        organisation = await tenant_name(session, tenant_id=invitation.tenant_id)
    cookie = session_token(request, oauth.settings) or ""
    return form_page(
        request,
        oauth,
        "invitation.html",
        form=_FORM,
        status=400 if message else 200,
        message=message,
        token=token,
        invitation=invitation,
        organisation=organisation,
        email=person.label if person else None,
        has_account=await account_of(oauth, invitation.email) is not None,
        sign_out_token=csrf_token(oauth.secret_box, cookie=cookie, form=SIGN_OUT_FORM),
    )
