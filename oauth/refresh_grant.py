"""The refresh grant (RFC 6749 §6): rotation, a grace window, and the end of a reused family.

A grant on the consent page starts one family: each exchange retires a refresh token and names its
only successor (RFC 9700 §4.14.2, OAuth 2.1 §4.3.1). For 60 seconds the retired one still yields
that successor, with a new access token; shown later, it ends the grant and all that came of it.

Whether there are refresh tokens at all is the tenant's setting (*stay connected*), not a scope:
`offline_access` is ignored, and refreshing stops when the setting is turned off.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from authlib.oauth2.rfc6749.hooks import hooked
from sqlalchemy.util import await_only

from hub.audit.events import EventType
from hub.clock import utc_now
from hub.database import enter
from oauth import commands
from oauth.models import TokenKind
from oauth.queries import Standing, StoredToken, standing_of_grant, token_by_digest
from oauth.scopes import format_scopes, parse_scopes
from oauth.successors import open_successor, seal_successor
from oauth.tokens import REFRESH_TOKEN_PREFIX, digest_of, is_well_formed, new_token

if TYPE_CHECKING:
    from oauth.server import HubAuthorizationServer

_REVOKED = "The refresh token was revoked. Send the person through sign-in again."
_EXPIRED = "The refresh token has expired. Send the person through sign-in again."
_OFF = "The organisation does not let apps stay connected. Send the person through sign-in again."


def refresh_expiry(standing: Standing, *, idle: timedelta, now: datetime) -> datetime:
    """Return until when a refresh token is good: unused for so long, or the tenant's longest."""
    return min(now + idle, standing.granted_at + timedelta(days=standing.stay_connected_days))


class RefreshGrant(RefreshTokenGrant):
    """Refresh tokens of the hub, bound to the client and to this resource."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")

    server: "HubAuthorizationServer"

    @hooked  # type: ignore[untyped-decorator] # Authlib ships no types
    def validate_token_request(self) -> None:
        """Check client, token and scope; the resource is checked by a hook (RFC 8707 §2.2)."""
        super().validate_token_request()

    def authenticate_refresh_token(self, refresh_token: str) -> StoredToken:
        """Return the token if this client may still refresh with it."""
        return await_only(self._checked(refresh_token))

    async def _checked(self, refresh_token: str) -> StoredToken:
        if not is_well_formed(refresh_token, REFRESH_TOKEN_PREFIX):
            raise InvalidGrantError("The refresh token is not one of this hub's.")
        token = await self._find(digest_of(refresh_token))
        if token is None or token.kind is not TokenKind.REFRESH:
            raise InvalidGrantError("The refresh token is unknown.")
        self.server.presented = token
        # Bound to its client (RFC 6749 §6, §10.4), and to the resource it was issued for.
        if token.client_id != self.request.client.client_id:
            raise InvalidGrantError("The refresh token was issued to another client.")
        if token.resource != self.server.settings.resource:
            raise InvalidGrantError("The refresh token was issued for another resource.")
        if token.is_revoked:
            raise InvalidGrantError(_REVOKED)
        await self._refuse_reuse(token)
        if token.expires_at <= utc_now():
            raise InvalidGrantError(_EXPIRED)
        return token

    async def _find(self, digest: str) -> StoredToken | None:
        await enter(self.server.session, presented=digest)
        return await token_by_digest(self.server.session, digest=digest)

    async def _refuse_reuse(self, token: StoredToken) -> None:
        grace = timedelta(seconds=self.server.settings.refresh_grace_seconds)
        if token.used_at is not None and utc_now() - token.used_at > grace:
            await self._end_family(token)

    async def _end_family(self, token: StoredToken) -> NoReturn:
        """Refuse a retired token and end the grant: two parties hold it, and one is a thief."""
        session = self.server.session
        await enter(session, tenant_id=token.tenant_id, user_id=token.user_id)
        was_alive = await commands.revoke_grant(
            session, tenant_id=token.tenant_id, grant_id=token.grant_id
        )
        await self.server.record(
            EventType.OAUTH_REFRESH_REPLAYED,
            tenant_id=token.tenant_id,
            user_id=token.user_id,
            actor=token.client_id,
            outcome="refused",
            client_id=token.client_id,
            grant_id=str(token.grant_id),
            grant_revoked=was_alive,
        )
        self.server.is_refusal_recorded = True
        raise InvalidGrantError(
            "The refresh token was used before; the connection has been ended for safety."
        )

    def _validate_token_scope(self, token: StoredToken) -> None:
        """Refuse more than was granted (RFC 6749 §6); what clients add unasked is dropped."""
        asked, granted = parse_scopes(self.request.payload.scope), parse_scopes(token.scope)
        is_named = bool(self.request.payload.scope)
        if asked is None or granted is None or (is_named and not asked <= granted):
            raise InvalidScopeError("The scope exceeds what the person allowed.")

    def authenticate_user(self, refresh_token: StoredToken) -> Standing:
        """Return the person, if what they allowed still holds and may still be prolonged."""
        standing = await_only(self._standing(refresh_token))
        if standing is None or standing.is_revoked:
            raise InvalidGrantError(_REVOKED)
        if standing.is_disabled or standing.role is None:
            raise InvalidGrantError("The person is no longer a member of the organisation.")
        if not standing.claude_may_read:
            raise InvalidGrantError("The connector is switched off in the organisation.")
        if not standing.stay_connected:
            raise InvalidGrantError(_OFF)
        longest = timedelta(days=standing.stay_connected_days)
        if utc_now() >= standing.granted_at + longest:
            raise InvalidGrantError(_EXPIRED)
        return standing

    async def _standing(self, token: StoredToken) -> Standing | None:
        session = self.server.session
        await enter(
            session,
            tenant_id=token.tenant_id,
            user_id=token.user_id,
            presented=token.client_id,
        )
        return await standing_of_grant(session, tenant_id=token.tenant_id, grant_id=token.grant_id)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Rotate, then issue. All checks are done; only a concurrent request can be first."""
        token: StoredToken = self.request.refresh_token
        self.request.user = standing = self.authenticate_user(token)
        successor = await_only(self._rotate(token, standing))
        answer = self.generate_token(user=standing, scope=self._scope(token))
        self.save_token(answer)
        answer["refresh_token"] = successor
        await_only(self._record_refreshed(token, standing))
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def _scope(self, token: StoredToken) -> str:
        asked = self.request.payload.scope
        return format_scopes(parse_scopes(asked) or ()) if asked else token.scope

    async def _rotate(self, token: StoredToken, standing: Standing) -> str:
        """Return the token's only successor; of concurrent requests the first one makes it."""
        session, shown = self.server.session, self.request.form["refresh_token"]
        successor = new_token(REFRESH_TOKEN_PREFIX)
        idle = timedelta(days=self.server.settings.refresh_idle_days)
        sealed = seal_successor(successor, token=shown)
        if await commands.retire_refresh_token(session, digest=token.digest, sealed=sealed):
            await commands.store_token(
                session,
                digest=digest_of(successor),
                kind=TokenKind.REFRESH,
                bound=token,
                scope=token.scope,
                expires_at=refresh_expiry(standing, idle=idle, now=utc_now()),
            )
            return successor
        return open_successor(await self._kept_successor(token), token=shown)

    async def _kept_successor(self, token: StoredToken) -> bytes:
        """Return what the request that was first has sealed, read after its commit."""
        session = self.server.session
        current = await token_by_digest(session, digest=token.digest)
        if current is None or current.is_revoked or current.successor_sealed is None:
            raise InvalidGrantError(_REVOKED)
        await self._refuse_reuse(current)
        return current.successor_sealed

    async def _record_refreshed(self, token: StoredToken, standing: Standing) -> None:
        await commands.touch_client(self.server.session, client_id=token.client_id)
        await self.server.record(
            EventType.OAUTH_TOKEN_REFRESHED,
            tenant_id=token.tenant_id,
            user_id=token.user_id,
            actor=standing.email,
            client_id=token.client_id,
            grant_id=str(token.grant_id),
            scope=self._scope(token),
        )
