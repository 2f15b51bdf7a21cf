"""Two-factor authentication: set up with a code, renewed and removed with a fresh one."""

import base64
import binascii
from datetime import timedelta

import orjson
import segno
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from hub.audit.events import EventType
from hub.clock import utc_now
from hub.errors import InvalidInput, Throttled
from hub.tenancy.account_commands import record_account_event
from hub.tenancy.second_factor import (
    enrol_totp,
    make_recovery_codes,
    remove_totp,
    second_factor_of,
)
from hub.tenancy.sessions import new_session_token, rotate_session
from hub.tenancy.totp import matching_step, new_totp_secret, provisioning_uri
from oauth.account import security_routes
from oauth.account.security_routes import WRONG_PASSWORD, checked_account
from oauth.account.step_up import fresh
from oauth.account.visit import Visit, submission, visit
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep
from oauth.sign_in import WRONG_CODE

PATH = "/account/totp"
TOO_OLD = "This page was open for too long. Scan the new code."
_PURPOSE = "totp-enrolment"
_LIFETIME = timedelta(minutes=20)
_GROUP = 4

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_enrolment(request: Request, oauth: OAuthDep) -> Response:
    """Show a new secret as a QR code and as text; nothing is stored before a code proves it."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    if await _is_enrolled(found):
        return found.go(security_routes.PATH)
    return _page(found, new_totp_secret())


@router.post(
    PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", sealed="", current_password="", code="123456"),
)
async def enrol(request: Request, oauth: OAuthDep) -> Response:
    """Store the secret, rotate the session, and show the recovery codes once."""
    found = await submission(request, oauth, back=PATH)
    if isinstance(found, Response):
        return found
    if await _is_enrolled(found):
        return found.go(security_routes.PATH)
    secret = _opened(found)
    if secret is None:
        return _page(found, new_totp_secret(), status=400, message=TOO_OLD)
    try:
        is_right = await checked_account(found) is not None
    except Throttled as error:
        return _page(found, secret, status=429, message=error.message)
    code = "".join(found.fields.get("code", "").split())
    step = matching_step(secret, code, at=utc_now())
    if not is_right or step is None:
        message = WRONG_CODE if is_right else WRONG_PASSWORD
        return _page(found, secret, status=400, message=message)
    return await _store(found, secret, step)


@router.post(
    f"{PATH}/remove",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", code=""),
)
async def remove(request: Request, oauth: OAuthDep) -> Response:
    """Turn it off, with a fresh code."""
    found = await submission(request, oauth, back=security_routes.PATH)
    if isinstance(found, Response):
        return found
    found = await fresh(found)
    if isinstance(found, Response):
        return found
    async with oauth.database.transaction(
        tenant_id=found.person.tenant_id, user_id=found.user_id
    ) as session:
        await remove_totp(session, user_id=found.user_id)
        await record_account_event(
            session,
            event_type=EventType.TOTP_REMOVED,
            tenant_id=found.person.tenant_id,
            user_id=found.user_id,
            email=found.person.label,
        )
    return found.go(security_routes.PATH, done="totp-removed")


@router.post(
    "/account/recovery-codes",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", code=""),
)
async def renew_recovery_codes(request: Request, oauth: OAuthDep) -> Response:
    """Replace the recovery codes, with a fresh code, and show the new ones once."""
    found = await submission(request, oauth, back=security_routes.PATH)
    if isinstance(found, Response):
        return found
    found = await fresh(found)
    if isinstance(found, Response):
        return found
    async with oauth.database.transaction(
        tenant_id=found.person.tenant_id, user_id=found.user_id
    ) as session:
        codes = await make_recovery_codes(session, user_id=found.user_id)
        await record_account_event(
            session,
            event_type=EventType.RECOVERY_CODES_MADE,
            tenant_id=found.person.tenant_id,
            user_id=found.user_id,
            email=found.person.label,
        )
    return found.page("recovery_codes.html", codes=codes, is_new=False)


async def _store(found: Visit, secret: str, step: int) -> Response:
    box, now, new_token = found.oauth.secret_box, utc_now(), new_session_token()
    async with found.oauth.database.transaction(
        tenant_id=found.person.tenant_id, user_id=found.user_id
    ) as session:
        if not await enrol_totp(
            session, box=box, user_id=found.user_id, secret=secret, step=step
        ) or not await rotate_session(
            session, token=found.token, new_token=new_token, second_factor_at=now
        ):
            return found.go(security_routes.PATH)
        codes = await make_recovery_codes(session, user_id=found.user_id)
        await record_account_event(
            session,
            event_type=EventType.TOTP_ENROLLED,
            tenant_id=found.person.tenant_id,
            user_id=found.user_id,
            email=found.person.label,
        )
    rotated = found.with_cookie(new_token, found.person)
    return rotated.page("recovery_codes.html", codes=codes, is_new=True)


async def _is_enrolled(found: Visit) -> bool:
    async with found.oauth.database.transaction(user_id=found.user_id) as session:
        return (await second_factor_of(session, user_id=found.user_id)).is_enrolled


def _page(found: Visit, secret: str, *, status: int = 200, message: str | None = None) -> Response:
    uri = provisioning_uri(secret, email=found.person.label)
    # Drawn by segno from our own text; its paths and attributes need no style of their own.
    picture = segno.make(uri, micro=False).svg_inline(scale=5, border=3, light="#ffffff")
    return found.page(
        "totp.html",
        status=status,
        message=message,
        picture=Markup(picture),  # noqa: S704
        secret=" ".join(secret[i : i + _GROUP] for i in range(0, len(secret), _GROUP)),
        uri=uri,
        sealed=_sealed(found, secret),
    )


def _sealed(found: Visit, secret: str) -> str:
    """Return the secret for the form: only we can read it, for this person, for a while."""
    value = orjson.dumps([str(found.user_id), secret, (utc_now() + _LIFETIME).timestamp()])
    return base64.urlsafe_b64encode(found.oauth.secret_box.seal(value, purpose=_PURPOSE)).decode()


def _opened(found: Visit) -> str | None:
    try:
        value = base64.urlsafe_b64decode(found.fields.get("sealed", ""))
        user_id, secret, until = orjson.loads(found.oauth.secret_box.open(value, purpose=_PURPOSE))
    except (InvalidInput, binascii.Error, ValueError):
        return None
    is_good = user_id == str(found.user_id) and utc_now().timestamp() < until
    return str(secret) if is_good else None
