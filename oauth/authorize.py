"""An authorization request, from its parameters to the code or the refusal (RFC 6749 §4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    BaseGrant,
    InvalidRequestError,
    UnsupportedResponseTypeError,
)
from fastapi import Request, Response
from sqlalchemy.util import await_only

from hub.audit.events import EventType
from hub.database import enter
from hub.principal import Principal, PrincipalKind, Scope
from hub.tenancy.commands import open_connector
from oauth import commands
from oauth.client_documents.pinned import PINNED_HOSTS
from oauth.code_grant import Approval
from oauth.consent import Decision, Offer
from oauth.models import OAuthClient
from oauth.redirects import host_of, is_loopback
from oauth.rendering import problem_page
from oauth.requests import EndpointRequest, Pairs
from oauth.scopes import format_scopes, parse_scopes
from oauth.server import HubAuthorizationServer

# Others are ignored, as RFC 6749 §3.1 asks; these travel through sign-in and consent.
PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
)
TITLE = "This app cannot be connected"
_MULTIPLE = "The request of the app is malformed: it names a parameter twice."
_UNKNOWN_CLIENT = (
    "The app is not registered here, or its registration has been removed. Remove the connection in"
    " the app and add it again."
)
_FOREIGN_REDIRECT = (
    "The app asks to send the answer to an address that it did not register. Do not go on unless"
    " you know why."
)

_MALFORMED = (
    "The request of the app is not in order, so nothing was allowed. Go back to the app only if you"
    " started this yourself."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that is in order; what is left is the person's decision."""

    server: HubAuthorizationServer
    request: EndpointRequest
    grant: BaseGrant
    client: OAuthClient
    redirect_uri: str
    scopes: frozenset[Scope]
    pairs: Pairs


def validate(server: HubAuthorizationServer, request: Request, pairs: Pairs) -> Asked | Response:
    """Return the request, or the answer to one that is not in order.

    Client and redirect come first: while they are in doubt the person is told, and nobody is
    redirected (RFC 6749 §4.1.2.1, RFC 9700 §4.11). Every later refusal goes to the client.
    """
    asked = EndpointRequest(request, pairs)
    payload = asked.payload
    if any(len(values) > 1 for name, values in payload.datalist.items() if name != "resource"):
        return _problem(server, payload.client_id, _MULTIPLE)
    client = server.query_client(payload.client_id or "")
    if client is None:
        return _problem(server, payload.client_id, _UNKNOWN_CLIENT)
    redirect_uri = payload.redirect_uri or client.get_default_redirect_uri()
    if redirect_uri is None or not client.check_redirect_uri(redirect_uri):
        return _problem(server, payload.client_id, _FOREIGN_REDIRECT)
    server.redirect_uri = redirect_uri
    try:
        _check_response_type(payload.response_type)
        grant = server.get_consent_grant(asked)
    except OAuth2Error as error:
        error.redirect_uri, error.state = redirect_uri, payload.state
        answer = server.handle_error_response(asked, error)
        if may_follow_unasked(redirect_uri):
            return answer
        return _ask_before(server, answer, host=host_of(redirect_uri), reason=error.description)
    scopes = parse_scopes(payload.scope) or frozenset()
    return Asked(server, asked, grant, client, redirect_uri, scopes, pairs)


def may_follow_unasked(redirect_uri: str) -> bool:
    """Tell whether a browser may be sent there before its person decided anything.

    Anybody may register a client, so a broken request would make of us a way to send people to any
    address on the web (RFC 9700 §4.11.2; MCP authorization, "Open Redirection"). To their own
    computer and to Claude is not anywhere; elsewhere, the person goes on by themselves.
    """
    return is_loopback(redirect_uri) or host_of(redirect_uri) in PINNED_HOSTS


def _ask_before(
    server: HubAuthorizationServer, answer: Response, *, host: str, reason: str
) -> Response:
    """Tell the person what the client is told, with the answer to it as a link."""
    return problem_page(
        TITLE,
        _MALFORMED,
        request_id=server.request_id,
        was_from_app=False,
        detail=f"{host}: {reason}",
        way_on=(answer.headers["location"], "Back to the app"),
    )


def _problem(server: HubAuthorizationServer, client_id: str | None, message: str) -> Response:
    """Tell the person, and write down why; for the person signed in, in their tenant's trail."""
    refusal = InvalidRequestError(message)
    await_only(server.record_refusal(client_id or "", refusal))
    return problem_page(TITLE, message, request_id=server.request_id)


def _check_response_type(response_type: str | None) -> None:
    if not response_type:
        raise InvalidRequestError("response_type is required.")
    if response_type != "code":
        raise UnsupportedResponseTypeError(None, "response_type must be code.")


async def show(asked: Asked, person: Principal, offer: Offer) -> None:
    """Write down that the person was asked."""
    tenant = offer.tenant
    await enter(asked.server.session, tenant_id=tenant.tenant_id, user_id=person.user_id)
    await _record(
        asked,
        person,
        offer,
        event_type=EventType.OAUTH_CONSENT_SHOWN,
        outcome="success",
        details={"scope": format_scopes(asked.scopes)},
    )


async def allow(
    asked: Asked, person: Principal, offer: Offer, decision: Decision
) -> Response | None:
    """Store what the person allowed, and send the code to the client.

    None where the organisation was put under strict residency since the page was made.
    """
    server, tenant = asked.server, offer.tenant
    await enter(server.session, tenant_id=tenant.tenant_id, user_id=person.user_id)
    assert person.user_id is not None  # noqa: S101 - sessions belong to people
    is_open = await open_connector(
        server.session,
        tenant_id=tenant.tenant_id,
        claude_may_read=decision.opens_reading,
        claude_may_acknowledge=decision.opens_acknowledging,
        actor=person.label,
        user_id=person.user_id,
        request_id=server.request_id,
    )
    if not is_open:
        return None
    scope = format_scopes(decision.scopes)
    grant_id = await commands.store_grant(
        server.session,
        tenant_id=tenant.tenant_id,
        user_id=person.user_id,
        client=asked.client,
        redirect_host=host_of(asked.redirect_uri),
        scope=scope,
    )
    approval = Approval(tenant.tenant_id, person.user_id, grant_id, scope)
    response = await _answer(asked, approval)
    await _record(
        asked,
        person,
        offer,
        event_type=EventType.OAUTH_GRANT_CREATED,
        outcome="success",
        details={"grant_id": str(grant_id), "scope": scope},
    )
    return response


async def deny(asked: Asked, person: Principal, offer: Offer, *, reason: str) -> Response:
    """Tell the client that the person said no (RFC 6749 §4.1.2.1)."""
    tenant = offer.tenant
    await enter(asked.server.session, tenant_id=tenant.tenant_id, user_id=person.user_id)
    await _record(
        asked,
        person,
        offer,
        event_type=EventType.OAUTH_CONSENT_DENIED,
        outcome="refused",
        details={"reason": reason},
    )
    return await _answer(asked, None)


async def _answer(asked: Asked, approval: Approval | None) -> Response:
    response: Response = await asked.server.session.run_sync(
        lambda _: asked.server.create_authorization_response(
            asked.request, grant_user=approval, grant=asked.grant
        )
    )
    return response


async def _record(
    asked: Asked,
    person: Principal,
    offer: Offer,
    *,
    event_type: EventType,
    outcome: str,
    details: Mapping[str, str],
) -> None:
    await asked.server.record(
        event_type,
        tenant_id=offer.tenant.tenant_id,
        user_id=person.user_id,
        actor=person.label,
        outcome=outcome,
        kind=PrincipalKind.SESSION,
        client_id=asked.client.client_id,
        redirect_host=host_of(asked.redirect_uri),
        **details,
    )
