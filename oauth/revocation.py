"""Revocation (RFC 7009): a client gives up its token, and with it the grant behind it."""

from typing import TYPE_CHECKING

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint as AuthlibRevocationEndpoint
from sqlalchemy.util import await_only

from hub.audit.events import EventType
from hub.database import enter
from oauth import commands
from oauth.models import OAuthClient
from oauth.queries import StoredToken, token_by_digest
from oauth.tokens import digest_of

if TYPE_CHECKING:
    from oauth.server import HubAuthorizationServer


class RevocationEndpoint(AuthlibRevocationEndpoint):
    """Ends the whole grant, since a client that revokes is disconnecting (RFC 7009 §2.1)."""

    CLIENT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    server: "HubAuthorizationServer"

    def check_params(self, request: OAuth2Request, _client: OAuthClient) -> None:
        """Ask for the token only: the hint may be ignored (RFC 7009 §2.1), and ours need none."""
        if not request.form.get("token"):
            raise InvalidRequestError("token is required.")

    def query_token(self, token_string: str, _token_type_hint: str | None) -> StoredToken | None:
        """Return the token; unknown ones are fine, they are as good as revoked (§2.2)."""
        return await_only(self._find(digest_of(token_string)))

    async def _find(self, digest: str) -> StoredToken | None:
        await enter(self.server.session, presented=digest)
        return await token_by_digest(self.server.session, digest=digest)

    def revoke_token(self, token: StoredToken, _request: OAuth2Request) -> None:
        """End the grant and all its tokens."""
        await_only(self._revoke(token))

    async def _revoke(self, token: StoredToken) -> None:
        session = self.server.session
        await enter(session, tenant_id=token.tenant_id, user_id=token.user_id)
        was_alive = await commands.revoke_grant(
            session, tenant_id=token.tenant_id, grant_id=token.grant_id
        )
        if was_alive:
            await self.server.record(
                EventType.OAUTH_GRANT_REVOKED,
                tenant_id=token.tenant_id,
                user_id=token.user_id,
                actor=token.client_id,
                client_id=token.client_id,
                grant_id=str(token.grant_id),
                by="client",
            )
