"""What browsers were refused: written down for who is signed in, and else for nobody in particular.

A form that another site sent, a form of another browser, too many attempts, the cookie of a sign-in
that is over. Most of these are no attack but an old page or a second tab; all of them are what an
attack looks like. They are bounded like every refusal (`oauth.refusals`).
"""

from fastapi import Request

from hub.audit.events import EventType
from hub.principal import Principal, PrincipalKind
from hub.tenancy.queries import ended_session
from hub.tenancy.sessions import digest_of
from oauth.models import StepKind
from oauth.service import OAuth, request_id_of
from oauth.sessions import session_principal, session_token
from oauth.throttle import address_of
from oauth.trace import Step

SESSION_ENDED = "The cookie of a sign-in that was ended was shown again."
SESSION_UNKNOWN = "The cookie of a sign-in that never was."


async def turn_away(request: Request, oauth: OAuth, *, error: str, reason: str) -> str | None:
    """Write down that a request of a browser was refused, and return the request's id."""
    person = await session_principal(request)
    step = _step(request, error=error, reason=reason, person=person)
    await oauth.refusals.write(
        step,
        caller=_caller(request, step),
        actor=person.label if person else "",
        event_type=EventType.FORM_REFUSED,
        kind=PrincipalKind.SESSION,
    )
    return step.request_id


async def turn_away_session(request: Request, oauth: OAuth) -> None:
    """Write down that a sign-in's cookie was shown which was ended, or which we never gave.

    One that merely ran out is no news: every browser shows that some morning.
    """
    token = session_token(request, oauth.settings)
    if token is None:
        return
    digest = digest_of(token)
    async with oauth.database.transaction(presented=digest) as session:
        found = await ended_session(session, digest=digest)
    if found is not None and not found.is_revoked:
        return
    step = Step(
        kind=StepKind.REFUSED,
        tenant_id=found.tenant_id if found else None,
        user_id=found.user_id if found else None,
        request_id=request_id_of(request),
        details={
            "at": request.url.path,
            "error": "invalid_session",
            "reason": SESSION_ENDED if found else SESSION_UNKNOWN,
        },
    )
    await oauth.refusals.write(
        step,
        caller=_caller(request, step),
        actor="somebody with an ended sign-in",
        event_type=EventType.SESSION_REFUSED,
        kind=PrincipalKind.SESSION,
    )


def _caller(request: Request, step: Step) -> str:
    """Return whose refusals these count as: a stranger's flood hides nothing of a person."""
    return f"person {step.user_id}" if step.user_id else address_of(request)


def _step(request: Request, *, error: str, reason: str, person: Principal | None) -> Step:
    return Step(
        kind=StepKind.REFUSED,
        tenant_id=person.tenant_id if person else None,
        user_id=person.user_id if person else None,
        request_id=request_id_of(request),
        details={"at": request.url.path, "error": error, "reason": reason},
    )
