"""Introspection (RFC 7662): our own resource servers ask what a token is good for, right now.

Whoever holds the hub's secret key is one of ours: the credential is derived from it, so there is
nothing to register, and it rotates with the key. `monsys keys introspection` prints it.
"""

from typing import TYPE_CHECKING, Any

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7662 import IntrospectionEndpoint as AuthlibIntrospectionEndpoint
from sqlalchemy import text
from sqlalchemy.util import await_only

from hub.clock import utc_now
from hub.errors import HubError
from hub.principal import Principal
from hub.secret_box import SecretBox
from oauth.bearer import principal_of
from oauth.models import TokenKind
from oauth.scopes import format_scopes
from oauth.standing import PresentedToken
from oauth.tokens import digest_of

if TYPE_CHECKING:
    from oauth.server import HubAuthorizationServer

RESOURCE_SERVER_ID = "monsys-resource-server"
_PURPOSE = "introspection"
_LOOK_UP = text("SELECT * FROM monsys_token_standing(:digest)")


def introspection_secret(box: SecretBox) -> str:
    """Return the credential of our own resource servers."""
    return box.mac(RESOURCE_SERVER_ID, purpose=_PURPOSE)


class IntrospectionEndpoint(AuthlibIntrospectionEndpoint):
    """Says what the bearer check says, and no more than that a token is not active otherwise."""

    server: "HubAuthorizationServer"

    def authenticate_endpoint_client(self, request: OAuth2Request) -> None:
        """Let nobody guess tokens here (RFC 7662 §2.1, §4)."""
        name, secret = extract_basic_authorization(request.headers)
        if name is None:
            name, secret = request.form.get("client_id"), request.form.get("client_secret")
        is_ours = self.server.secret_box.verify(secret or "", RESOURCE_SERVER_ID, purpose=_PURPOSE)
        if name != RESOURCE_SERVER_ID or not is_ours:
            raise InvalidClientError("Introspection is for the hub's own resource servers.")

    def authenticate_token(self, request: OAuth2Request, _client: None) -> PresentedToken | None:
        """Return the token; the hint may be ignored (RFC 7662 §2.1)."""
        token = request.form.get("token")
        if not token:
            raise InvalidRequestError("token is required.")
        return await_only(self._find(digest_of(token)))

    async def _find(self, digest: str) -> PresentedToken | None:
        row = (await self.server.session.execute(_LOOK_UP, {"digest": digest})).one_or_none()
        return PresentedToken.of(row._mapping) if row else None  # noqa: SLF001 - public in fact

    def create_introspection_payload(self, token: PresentedToken | None) -> dict[str, Any]:
        """Return RFC 7662 §2.2's members; refresh tokens are no business of a resource server."""
        principal = self._principal(token) if token else None
        if token is None or principal is None:
            return {"active": False}
        return {
            "active": True,
            "scope": format_scopes(principal.scopes),
            "client_id": token.client_id,
            "username": token.email,
            "token_type": "Bearer",
            "exp": int(token.expires_at.timestamp()),
            "iat": int(token.issued_at.timestamp()),
            "sub": str(token.user_id),
            "aud": token.resource,
            "iss": self.server.settings.api_origin,
        }

    def _principal(self, token: PresentedToken) -> Principal | None:
        if token.kind is not TokenKind.ACCESS or token.is_revoked:
            return None
        if token.expires_at <= utc_now() or token.resource != self.server.settings.resource:
            return None
        try:
            return principal_of(token)
        except HubError:
            return None
