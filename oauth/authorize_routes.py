"""The authorization endpoint and its consent page, on the app's origin."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from hub.database import enter
from hub.errors import Throttled
from hub.principal import Principal, Scope
from hub.tenancy.queries import TenantMembership, manager_emails, memberships_of
from oauth.authorize import (
    PARAMETERS,
    TITLE,
    Asked,
    allow,
    deny,
    may_follow_unasked,
    show,
    validate,
)
from oauth.client_documents.errors import DocumentError
from oauth.client_documents.urls import looks_like_document_url
from oauth.consent import Decision, Offer
from oauth.errors import ForeignFormError
from oauth.language import t
from oauth.metadata import AUTHORIZE_PATH
from oauth.models import OAuthClient, StepKind
from oauth.names import visible
from oauth.openapi import PAGE_RESPONSES, form_body, query_parameters
from oauth.redirects import host_of, is_loopback
from oauth.rendering import page, problem_page
from oauth.requests import Pairs, form_pairs, query_pairs
from oauth.responses import see_other
from oauth.service import OAuth, OAuthDep, request_id_of
from oauth.sessions import csrf_token, is_csrf_token, is_same_site, session_principal, session_token
from oauth.sign_in_forms import FAILED
from oauth.sign_in_routes import SIGN_OUT_FORM
from oauth.throttle import address_of
from oauth.trace import Step
from oauth.turned_away import turn_away, turn_away_session

_EXPIRED = "This page was open for too long. Please look at it and decide again."
_NOT_TICKED = "To allow it, switch the connector on by ticking the box."
_SECONDS_PER_MINUTE = 60
_CONTROLS = ("decision", "tenant", "enable_read", "enable_acknowledge")

router = APIRouter(tags=["oauth"], default_response_class=HTMLResponse)


@router.get(
    AUTHORIZE_PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=query_parameters(
        client_id="As registered.",
        redirect_uri="As registered; may be left out when only one is.",
        response_type="`code`.",
        scope="`mcp.read`, `mcp.acknowledge`, or both with a space between.",
        state="Comes back unchanged.",
        code_challenge="PKCE, required.",
        code_challenge_method="`S256`.",
        resource="The URL of the MCP server (RFC 8707).",
    ),
)
async def show_consent(request: Request, oauth: OAuthDep) -> Response:
    """Ask the person, after sign-in, whether the client may have what it asks for."""
    try:
        pairs = _parameters(query_pairs(request))
    except OAuth2Error as error:
        return await _malformed(request, oauth, error)
    return await _consent(request, oauth, pairs, {})


@router.post(
    AUTHORIZE_PATH,
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        **dict.fromkeys((*PARAMETERS, *_CONTROLS), ""),
        csrf_token="from the form",  # noqa: S106 - an example
    ),
)
async def submit_consent(request: Request, oauth: OAuthDep) -> Response:
    """Take the person's decision; without one it is a client's POST request (RFC 6749 §3.1)."""
    try:
        fields = await form_pairs(request, limit=oauth.settings.max_request_bytes)
    except OAuth2Error as error:
        return await _malformed(request, oauth, error)
    pairs = _parameters(fields)
    form = {name: value for name, value in fields if name not in PARAMETERS}
    if "decision" not in form:
        # As a GET the browser sends the session cookie along, which a foreign POST goes without.
        return see_other(_here(pairs))
    if not is_same_site(request):
        foreign = ForeignFormError()
        request_id = await turn_away(
            request, oauth, error="forged_form", reason=foreign.description
        )
        return problem_page(
            FAILED, foreign.description, status=foreign.status_code, request_id=request_id
        )
    return await _consent(request, oauth, pairs, form)


async def _malformed(request: Request, oauth: OAuth, error: OAuth2Error) -> Response:
    """Refuse what is no authorization request, or not sent by our own page."""
    step = Step(
        kind=StepKind.REFUSED,
        request_id=request_id_of(request),
        details={"at": "authorize", "error": error.error, "reason": error.description},
    )
    await oauth.refusals.write(step, caller=address_of(request))
    return problem_page(
        FAILED,
        error.description,
        status=error.status_code,
        request_id=step.request_id,
    )


async def _consent(
    request: Request, oauth: OAuth, pairs: Pairs, form: Mapping[str, str]
) -> Response:
    """Answer with a page, a redirect or a refusal; one transaction, committed before it leaves."""
    document = await _document_client(request, oauth, pairs)
    if isinstance(document, Response):
        return document
    person = await session_principal(request)
    if person is None:
        await turn_away_session(request, oauth)
    async with oauth.database.transaction() as session:
        server = oauth.server(session, request_id=request_id_of(request))
        server.person = person
        if document is not None:
            server.admit(document)
        asked = await session.run_sync(lambda _: validate(server, request, pairs))
        if isinstance(asked, Response):
            return asked
        if person is None:
            target = urlencode({"next": _here(pairs)})
            return see_other(f"{oauth.settings.public_app_origin}/sign-in?{target}")
        return await _ConsentPage(request, oauth, asked, person).answer(form)


async def _document_client(
    request: Request, oauth: OAuth, pairs: Pairs
) -> OAuthClient | Response | None:
    """Read the client's document, if the client is one; before a transaction, as it takes long."""
    client_id = next((value for name, value in pairs if name == "client_id"), "")
    address = address_of(request)
    try:
        await oauth.throttle.request(endpoint="authorize", address=address)
        if not looks_like_document_url(client_id):
            return None
        return await oauth.clients.client(
            client_id, address=address, request_id=request_id_of(request)
        )
    except DocumentError as error:
        reason, status = f"The app's own description cannot be used: {error.reason}.", 400
    except Throttled as error:
        reason, status = error.message, 429
    step = Step(
        kind=StepKind.REFUSED,
        client_id=client_id,
        request_id=request_id_of(request),
        details={"at": "authorize", "error": "invalid_client", "reason": reason},
    )
    await oauth.refusals.write(step, caller=address)
    return problem_page(TITLE, reason, status=status, request_id=step.request_id)


class _ConsentPage:
    """The page for one person and one request: shown, or decided upon."""

    def __init__(self, request: Request, oauth: OAuth, asked: Asked, person: Principal) -> None:
        self._oauth = oauth
        self._asked = asked
        self._person = person
        self._cookie = session_token(request, oauth.settings) or ""

    async def answer(self, form: Mapping[str, str]) -> Response:
        tenants, offer = await self._offer(form)
        if not offer.scopes and len(tenants) == 1 and may_follow_unasked(self._asked.redirect_uri):
            return await deny(self._asked, self._person, offer, reason="role")
        if form.get("decision") in {"allow", "deny"}:
            return await self._decide(tenants, offer, form)
        await show(self._asked, self._person, offer)
        return await self._show(tenants, offer)

    async def _decide(
        self, tenants: list[TenantMembership], offer: Offer, form: Mapping[str, str]
    ) -> Response:
        if not self._is_ours(offer, form.get("csrf_token", "")):
            return await self._again(tenants, offer, status=403, message=_EXPIRED)
        if form["decision"] == "deny":
            return await deny(self._asked, self._person, offer, reason="person")
        allowed = Decision.of(offer, form)
        if allowed is None:
            return await self._again(tenants, offer, status=400, message=_NOT_TICKED)
        answer = await allow(self._asked, self._person, offer, allowed)
        if answer is None:
            return await self._again(*await self._offer(form), status=403, message=_EXPIRED)
        return answer

    async def _offer(self, form: Mapping[str, str]) -> tuple[list[TenantMembership], Offer]:
        """Return the person's tenants, and what could be allowed in the chosen one right now."""
        tenants = await self._tenants()
        return tenants, Offer.of(self._chosen(tenants, form.get("tenant")), self._asked.scopes)

    async def _again(
        self, tenants: list[TenantMembership], offer: Offer, *, status: int, message: str
    ) -> Response:
        """Write down why the decision was not taken, and ask for it once more."""
        await self._asked.server.record_refusal(
            self._asked.client.client_id, InvalidRequestError(message)
        )
        return await self._show(tenants, offer, status=status, message=message)

    async def _tenants(self) -> list[TenantMembership]:
        session, user_id = self._asked.server.session, self._person.user_id
        assert user_id is not None  # noqa: S101 - sessions belong to people
        await enter(session, user_id=user_id)
        return await memberships_of(session, user_id=user_id)

    def _chosen(self, tenants: list[TenantMembership], slug: str | None) -> TenantMembership:
        """Return the tenant that was chosen on the page, else the one the session is in."""
        chosen = [tenant for tenant in tenants if tenant.slug == slug]
        current = [tenant for tenant in tenants if tenant.tenant_id == self._person.tenant_id]
        return (chosen or current or tenants)[0]

    def _form_name(self, offer: Offer) -> str:
        """Bind the form to what it shows: another request or tenant needs a page of its own."""
        return f"consent\n{offer.tenant.slug}\n{urlencode(self._asked.pairs)}"

    def _is_ours(self, offer: Offer, proof: str) -> bool:
        return is_csrf_token(
            self._oauth.secret_box, proof, cookie=self._cookie, form=self._form_name(offer)
        )

    async def _show(
        self,
        tenants: list[TenantMembership],
        offer: Offer,
        *,
        status: int = 200,
        message: str | None = None,
    ) -> Response:
        box = self._oauth.secret_box
        return page(
            "consent.html",
            status=status,
            message=message,
            action=AUTHORIZE_PATH,
            here=_here(self._asked.pairs),
            parameters=self._asked.pairs,
            csrf_token=csrf_token(box, cookie=self._cookie, form=self._form_name(offer)),
            sign_out_token=csrf_token(box, cookie=self._cookie, form=SIGN_OUT_FORM),
            email=self._person.label,
            tenants=tenants,
            managers=await self._managers(offer),
            **_shown(self._asked, offer),
            lifetime=_duration(self._oauth.settings.access_token_seconds),
        )

    async def _managers(self, offer: Offer) -> list[str]:
        if not offer.is_blocked:
            return []
        session, tenant_id = self._asked.server.session, offer.tenant.tenant_id
        await enter(session, tenant_id=tenant_id, user_id=self._person.user_id)
        return await manager_emails(session, tenant_id=tenant_id)


def _shown(asked: Asked, offer: Offer) -> dict[str, Any]:
    """Return what the page says of the client and of what it would get."""
    withheld = ""
    if Scope.ACKNOWLEDGE in asked.scopes and Scope.ACKNOWLEDGE not in offer.scopes:
        withheld = t(
            "It also asks to acknowledge detections. Your role, {role}, does not include that, so"
            " it is left out.",
            role=t(offer.tenant.role),
        )
    elif Scope.ACKNOWLEDGE in asked.scopes - offer.grantable:
        withheld = t(
            "It also asks to acknowledge detections. {organisation} does not let Claude do that, so"
            " it is left out.",
            organisation=offer.tenant.tenant_name,
        )
    return {
        "client_name": visible(asked.client.client_name) or t("An app without a name"),
        # Of a client that is a document, the host that published it; nobody else could have.
        "client_host": host_of(asked.client.client_id) if asked.client.is_document else None,
        "redirect_host": host_of(asked.redirect_uri),
        "is_loopback": is_loopback(asked.redirect_uri),
        "offer": offer,
        "can_read": Scope.READ in offer.grantable,
        "can_acknowledge": Scope.ACKNOWLEDGE in offer.grantable,
        "withheld": withheld,
    }


def _parameters(pairs: Pairs) -> Pairs:
    return [(name, value) for name, value in pairs if name in PARAMETERS]


def _here(pairs: Pairs) -> str:
    return f"{AUTHORIZE_PATH}?{urlencode(pairs)}"


def _duration(seconds: int) -> str:
    minutes = seconds // _SECONDS_PER_MINUTE
    one_hour = t("one hour")
    return one_hour if minutes == _SECONDS_PER_MINUTE else t("{minutes} minutes", minutes=minutes)
