"""Authlib's authorization server over one request's transaction.

Authlib is synchronous. Endpoints run it through `AsyncSession.run_sync`, and its hooks wait for our
asynchronous queries with `await_only`: one connection, one transaction, one kind of query function.
What a refusal recorded on the way is committed like any success, because Authlib returns refusals
as answers and does not raise them.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from authlib.oauth2 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
)
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_only

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.database import enter
from hub.principal import Principal, PrincipalKind
from hub.secret_box import SecretBox
from hub.settings import Settings
from oauth import commands
from oauth.client_documents.pinned import pinned_client
from oauth.client_documents.urls import is_document_url
from oauth.code_grant import CodeGrant
from oauth.introspection import IntrospectionEndpoint
from oauth.models import OAuthClient, OAuthCode, StepKind, TokenKind
from oauth.pkce import S256Challenge
from oauth.queries import StoredToken, client_by_id
from oauth.redirects import answered
from oauth.refresh_grant import RefreshGrant
from oauth.registration import RegistrationEndpoint
from oauth.resources import ResourceIndicator
from oauth.responses import json_response, see_other, traceable
from oauth.revocation import RevocationEndpoint
from oauth.scopes import SUPPORTED_SCOPES, parse_scopes
from oauth.tokens import ACCESS_TOKEN_PREFIX, digest_of, is_client_id, new_token
from oauth.trace import STEP_OF_EVENT, Step, store_step

_log = structlog.get_logger(__name__)


class HubAuthorizationServer(AuthorizationServer):
    """Grants, endpoints and storage of the hub; cheap enough to build for each request."""

    def __init__(
        self,
        session: AsyncSession,
        settings: Settings,
        *,
        secret_box: SecretBox,
        request_id: str | None = None,
    ) -> None:
        super().__init__(scopes_supported=list(SUPPORTED_SCOPES))
        self.session = session
        self.settings = settings
        self.secret_box = secret_box
        self.request_id = request_id
        # Once a credential is found, its tenant's audit trail gets every refusal that follows.
        self.presented: OAuthCode | StoredToken | None = None
        # Set by a refusal that has an event of its own.
        self.is_refusal_recorded = False
        # Whoever is signed in when an authorization request is refused, likewise.
        self.person: Principal | None = None
        # Where the answer to an authorization request goes, once that is beyond doubt.
        self.redirect_uri: str | None = None
        self._clients: dict[str, OAuthClient | None] = {}
        self.register_token_generator("default", self._new_token)
        self.register_grant(CodeGrant, [S256Challenge(), ResourceIndicator(settings.api_origin)])
        self.register_grant(RefreshGrant, [ResourceIndicator(settings.api_origin)])
        self.register_endpoint(RegistrationEndpoint)
        self.register_endpoint(RevocationEndpoint)
        self.register_endpoint(IntrospectionEndpoint)

    def authenticate_client(
        self, request: OAuth2Request, methods: list[str], endpoint: str = "token"
    ) -> OAuthClient:
        """Return the client, which must say the same name wherever it says one (RFC 6749 §2.3).

        Else guesses for one client would count as those of the other.
        """
        in_body = getattr(request.payload, "client_id", None)
        in_header, _ = extract_basic_authorization(request.headers or {})
        if in_body and in_header and in_body != in_header:
            raise InvalidRequestError("The header and the body name two different clients.")
        client: OAuthClient = super().authenticate_client(request, methods, endpoint)
        return client

    def query_client(self, client_id: str) -> OAuthClient | None:
        """Return the client; asked once, so that the transaction may enter a tenant afterwards."""
        if client_id not in self._clients:
            self._clients[client_id] = await_only(self._find_client(client_id))
        return self._clients[client_id]

    def admit(self, client: OAuthClient) -> None:
        """Take a client whose metadata document was read before the transaction began."""
        self._clients[client.client_id] = client

    async def _find_client(self, client_id: str) -> OAuthClient | None:
        """Return what is stored of a client; nothing is fetched from the web in here."""
        if not is_client_id(client_id) and not is_document_url(client_id):
            return None
        await enter(self.session, presented=client_id)
        stored = await client_by_id(self.session, client_id=client_id)
        return stored or pinned_client(client_id)

    def validate_requested_scope(self, scope: str | None) -> None:
        """Refuse unknown scopes, but not those that clients add unasked."""
        if parse_scopes(scope) is None:
            raise InvalidScopeError

    def _new_token(self, *, scope: str, **_: Any) -> dict[str, Any]:
        """Return the token response in the order that the documentation shows it."""
        return {
            "access_token": new_token(ACCESS_TOKEN_PREFIX),
            "token_type": "Bearer",
            "expires_in": self.settings.access_token_seconds,
            "scope": scope,
        }

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Store an access token's digest; the token itself is not kept."""
        bound = request.authorization_code or request.refresh_token
        await_only(
            commands.store_token(
                self.session,
                digest=digest_of(token["access_token"]),
                kind=TokenKind.ACCESS,
                bound=bound,
                scope=token["scope"],
                expires_at=utc_now() + timedelta(seconds=token["expires_in"]),
            )
        )

    async def record(
        self,
        event_type: EventType,
        *,
        tenant_id: UUID,
        user_id: UUID | None,
        actor: str,
        outcome: str = "success",
        kind: PrincipalKind = PrincipalKind.CONNECTOR,
        **details: Any,
    ) -> None:
        """Append an event to the audit trail of a tenant that the transaction has entered."""
        await self.trace(
            STEP_OF_EVENT[event_type],
            client_id=details.get("client_id", ""),
            tenant_id=tenant_id,
            user_id=user_id,
            **{name: value for name, value in details.items() if name != "client_id"},
        )
        event = AuditEvent(
            event_type=event_type,
            actor=actor,
            actor_kind=kind.value,
            outcome=outcome,
            user_id=user_id,
            details=details,
            request_id=self.request_id,
        )
        await append_events(self.session, tenant_id=tenant_id, events=[event])

    async def trace(
        self,
        kind: StepKind,
        *,
        client_id: str,
        tenant_id: UUID | None = None,
        user_id: UUID | None = None,
        **details: Any,
    ) -> None:
        """Keep a step, whether or not a tenant is known yet."""
        step = Step(
            kind=kind,
            client_id=client_id,
            tenant_id=tenant_id,
            user_id=user_id,
            request_id=self.request_id,
            details=details,
        )
        _log.info(f"oauth_{kind.value}", client_id=client_id[:64], **details)
        await store_step(self.session, step=step)

    def handle_error_response(self, request: OAuth2Request, error: OAuth2Error) -> Response:
        """Answer a refusal, and write down why."""
        if isinstance(error, InvalidClientError):
            # 401 makes clients register again when their registration is gone (RFC 6749 §5.2).
            error.status_code = 401
        if isinstance(error, AccessDeniedError):
            self.is_refusal_recorded = True  # a person's own decision
        if not self.is_refusal_recorded:
            await_only(self.record_refusal(said_client_id(request), error))
        response: Response = super().handle_error_response(request, error)
        return response

    async def record_refusal(self, client_id: str, error: OAuth2Error) -> None:
        """Write a refusal down: in the trace, and in the tenant's trail when that is known."""
        reason = {"error": error.error, "reason": error.description}
        known = self.presented or self.person
        if known is None:
            await self.trace(StepKind.REFUSED, client_id=client_id, **reason)
            return
        await enter(self.session, tenant_id=known.tenant_id, user_id=known.user_id)
        await self.record(
            EventType.OAUTH_REQUEST_REFUSED,
            tenant_id=known.tenant_id,
            user_id=known.user_id,
            actor=known.label if isinstance(known, Principal) else known.client_id,
            outcome="refused",
            client_id=client_id,
            **reason,
        )

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        """Return the request: endpoints make it before Authlib runs."""
        return request

    create_json_request = create_oauth2_request

    def handle_response(
        self, status: int, body: dict[str, Any] | str, headers: list[tuple[str, str]]
    ) -> Response:
        """Return the answer in Starlette's terms; every redirect, error or not, names the issuer.

        `iss` on all of them (RFC 9207 §2), and 303 instead of 302, so that a browser that posted
        the consent form does not post it to the client (RFC 9700 §4.12).
        """
        if location := dict(headers).get("Location"):
            assert self.redirect_uri is not None  # noqa: S101 - set before anything is answered
            issuer = [("iss", self.settings.api_origin)]
            return see_other(answered(self.redirect_uri, location, issuer))
        if isinstance(body, dict) and "error" in body:
            body = traceable(body, self.request_id)
        return json_response(status, body, headers)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody subscribes."""


def said_client_id(request: OAuth2Request) -> str:
    """Return the client id as the request says it, in the body or in the header."""
    said = getattr(request.payload, "client_id", None)
    return said or extract_basic_authorization(request.headers or {})[0] or ""
