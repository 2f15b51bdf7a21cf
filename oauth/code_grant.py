"""The authorization code grant (RFC 6749 §4.1), stored and made single-use.

Authlib deletes a code after it has stored the token, so two requests at once would both get one.
Here the code is used up first, atomically, and showing a used one ends what it gave.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from sqlalchemy.util import await_only

from hub.audit.events import EventType
from hub.clock import utc_now
from hub.database import enter
from oauth import commands
from oauth.models import OAuthClient, OAuthCode, TokenKind
from oauth.queries import Standing, code_by_digest, standing_of_grant
from oauth.refresh_grant import refresh_expiry
from oauth.tokens import REFRESH_TOKEN_PREFIX, digest_of, new_token

if TYPE_CHECKING:
    from oauth.server import HubAuthorizationServer


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person allowed on the consent page; Authlib's `grant_user`."""

    tenant_id: UUID
    user_id: UUID
    grant_id: UUID
    scope: str


class CodeGrant(AuthorizationCodeGrant):
    """Codes of the hub. Their digests are stored, with everything they are bound to."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    server: "HubAuthorizationServer"

    def generate_authorization_code(self) -> str:
        """Return 256 random bits."""
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Store the code; the transaction is in the approving person's tenant."""
        approval: Approval = request.user
        settings = self.server.settings
        await_only(
            commands.store_code(
                self.server.session,
                digest=digest_of(code),
                tenant_id=approval.tenant_id,
                grant_id=approval.grant_id,
                user_id=approval.user_id,
                client_id=request.client.client_id,
                # Empty where it was left out: then it may be left out again (RFC 6749 §4.1.3).
                redirect_uri=request.payload.redirect_uri or "",
                scope=approval.scope,
                resource=settings.resource,
                code_challenge=request.payload.data["code_challenge"],
                lifetime=timedelta(seconds=settings.authorization_code_seconds),
            )
        )

    def query_authorization_code(self, code: str, client: OAuthClient) -> OAuthCode:
        """Return the code if this client may still exchange it."""
        stored = await_only(self._find_code(code))
        if stored is None:
            raise InvalidGrantError("The code is unknown.")
        self.server.presented = stored
        if stored.used_at is not None:
            await_only(self._end_replayed(stored))
        if stored.client_id != client.client_id:
            raise InvalidGrantError("The code was issued to another client.")
        named = self.request.payload.redirect_uri
        if not stored.redirect_uri and named and not client.check_redirect_uri(named):
            raise InvalidGrantError("Invalid 'redirect_uri' in request.")
        if stored.expires_at <= utc_now():
            raise InvalidGrantError("The code has expired. Send the person through sign-in again.")
        return stored

    async def _find_code(self, code: str) -> OAuthCode | None:
        digest = digest_of(code)
        await enter(self.server.session, presented=digest)
        return await code_by_digest(self.server.session, digest=digest)

    async def _end_replayed(self, code: OAuthCode) -> None:
        """Refuse a code shown twice, and end what it gave (RFC 6749 §4.1.2, RFC 9700 §4.5).

        Whoever shows it: a code that two parties know has leaked. This also holds for requests that
        arrive together. One of them wins the exchange, and the first loser ends the winner's token,
        because nobody can tell which of them is the thief.
        """
        session = self.server.session
        await enter(session, tenant_id=code.tenant_id, user_id=code.user_id)
        was_alive = await commands.revoke_grant(
            session, tenant_id=code.tenant_id, grant_id=code.grant_id
        )
        await self.server.record(
            EventType.OAUTH_CODE_REPLAYED,
            tenant_id=code.tenant_id,
            user_id=code.user_id,
            actor=code.client_id,
            outcome="refused",
            client_id=code.client_id,
            grant_id=str(code.grant_id),
            grant_revoked=was_alive,
        )
        self.server.is_refusal_recorded = True
        raise InvalidGrantError("The code was used before; what it gave has been revoked.")

    def authenticate_user(self, authorization_code: OAuthCode) -> Standing:
        """Return the person, if what they allowed a moment ago still holds."""
        standing = await_only(self._standing(authorization_code))
        if standing is None or standing.is_revoked:
            raise InvalidGrantError("The permission was revoked.")
        if standing.is_disabled or standing.role is None:
            raise InvalidGrantError("The person is no longer a member of the organisation.")
        return standing

    async def _standing(self, code: OAuthCode) -> Standing | None:
        await enter(
            self.server.session,
            tenant_id=code.tenant_id,
            user_id=code.user_id,
            presented=code.client_id,
        )
        return await standing_of_grant(
            self.server.session, tenant_id=code.tenant_id, grant_id=code.grant_id
        )

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Use up the code, then issue. All checks are done; only a concurrent request can win."""
        code: OAuthCode = self.request.authorization_code
        if not await_only(commands.consume_code(self.server.session, digest=code.digest)):
            await_only(self._end_replayed(code))
        answer: tuple[int, dict[str, Any], list[tuple[str, str]]] = super().create_token_response()
        await_only(self._finish(code, answer[1]))
        return answer

    async def _finish(self, code: OAuthCode, token: dict[str, Any]) -> None:
        """Add a refresh token where the tenant lets connections last, and write it all down."""
        standing: Standing = self.request.user
        if standing.stay_connected:
            token["refresh_token"] = await self._new_refresh_token(code, standing)
        await commands.touch_client(self.server.session, client_id=code.client_id)
        await self.server.record(
            EventType.OAUTH_TOKEN_ISSUED,
            tenant_id=code.tenant_id,
            user_id=code.user_id,
            actor=standing.email,
            client_id=code.client_id,
            grant_id=str(code.grant_id),
            scope=code.scope,
            stays_connected=standing.stay_connected,
        )

    async def _new_refresh_token(self, code: OAuthCode, standing: Standing) -> str:
        token = new_token(REFRESH_TOKEN_PREFIX)
        idle = timedelta(days=self.server.settings.refresh_idle_days)
        await commands.store_token(
            self.server.session,
            digest=digest_of(token),
            kind=TokenKind.REFRESH,
            bound=code,
            scope=code.scope,
            expires_at=refresh_expiry(standing, idle=idle, now=utc_now()),
        )
        return token

    def delete_authorization_code(self, authorization_code: OAuthCode) -> None:
        """Keep the used code: it is how a replay is recognised."""
