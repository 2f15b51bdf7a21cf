"""A fresh one-time code, asked for in the middle of a form.

The page that asks carries along what the person had sent, so that a code is all that is missing:
nothing has to be filled in again, and nothing happens before the code was right.
"""

from dataclasses import replace

from fastapi import Response

from hub.audit.events import EventType
from hub.clock import utc_now
from hub.errors import Throttled
from hub.tenancy.account_commands import record_account_event
from hub.tenancy.second_factor import Factor, second_factor_of, show_second_factor
from hub.tenancy.sessions import new_session_token, rotate_session
from hub.tenancy.step_up import has_fresh_totp
from oauth.account.visit import Visit
from oauth.sessions import device_token
from oauth.sign_in import WRONG_CODE
from oauth.sign_in_device import known_device
from oauth.throttle import address_of
from oauth.turned_away import turn_away

_OWN_FIELDS = frozenset({"csrf_token", "code"})
_EVENT_BY_FACTOR = {
    Factor.TOTP: EventType.SECOND_FACTOR_CONFIRMED,
    Factor.RECOVERY_CODE: EventType.RECOVERY_CODE_USED,
}


async def fresh(visit: Visit) -> Visit | Response:
    """Return the visit once a code was shown in it a moment ago, else the page that asks for one.

    The session is rotated then: it may do more than before.
    """
    if has_fresh_totp(visit.person, within=visit.fresh_within):
        return visit
    async with visit.oauth.database.transaction(user_id=visit.user_id) as session:
        is_enrolled = (await second_factor_of(session, user_id=visit.user_id)).is_enrolled
    if not is_enrolled:
        return visit.page("totp_needed.html", status=403)
    if "code" not in visit.fields:
        return _ask(visit, status=403)
    return await _take(visit)


async def _take(visit: Visit) -> Visit | Response:
    pace, email = visit.oauth.pace, visit.person.label
    address = address_of(visit.request)
    token = device_token(visit.request, visit.oauth.settings)
    device = known_device(visit.oauth.secret_box, token, email=email)
    try:
        await pace.attempt("code", account=email, address=address, device=device)
    except Throttled as error:
        await turn_away(visit.request, visit.oauth, error="too_many_requests", reason=error.message)
        response = _ask(visit, status=429, message=error.message)
        response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response
    confirmed = await confirm(visit, code=visit.fields["code"])
    if confirmed is None:
        await pace.failed("code", account=email, device=device)
        await visit.record(EventType.SECOND_FACTOR_REFUSED, outcome="refused")
        return _ask(visit, status=400, message=WRONG_CODE)
    await pace.succeeded("code", account=email, address=address, device=device)
    return confirmed


async def confirm(visit: Visit, *, code: str) -> Visit | None:
    """Use the code up and rotate the session; None when it is wrong or was used."""
    now, new_token = utc_now(), new_session_token()
    async with visit.oauth.database.transaction(
        tenant_id=visit.person.tenant_id, user_id=visit.user_id
    ) as session:
        factor = await show_second_factor(
            session, box=visit.oauth.secret_box, user_id=visit.user_id, code=code, at=now
        )
        if factor is None or not await rotate_session(
            session, token=visit.token, new_token=new_token, second_factor_at=now
        ):
            return None
        await record_account_event(
            session,
            event_type=_EVENT_BY_FACTOR[factor],
            tenant_id=visit.person.tenant_id,
            user_id=visit.user_id,
            email=visit.person.label,
        )
    return visit.with_cookie(new_token, replace(visit.person, second_factor_at=now))


def _ask(visit: Visit, *, status: int, message: str | None = None) -> Response:
    carried = [(name, value) for name, value in visit.fields.items() if name not in _OWN_FIELDS]
    return visit.page(
        "step_up.html",
        status=status,
        message=message,
        action=visit.request.url.path,
        carried=carried,
    )
