"""The bearer check of the resource server: from a token to who is asking and what they may do."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from hub.clock import utc_now
from hub.database import Database, enter
from hub.errors import Forbidden, Unauthenticated
from hub.principal import Principal, PrincipalKind, Scope, permissions_of_token
from hub.settings import Settings
from oauth.queries import Standing, StoredToken, standing_of_grant, token_by_digest
from oauth.tokens import ACCESS_TOKEN_PREFIX, digest_of, is_well_formed

_MAX_CACHED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """Who a token speaks for, and until when it is good."""

    principal: Principal
    expires_at: datetime


class BearerAuthenticator:
    """Checks access tokens; one for the process's life.

    A token that passed is trusted for `token_cache_seconds` without asking again. That is how long
    a revocation or a switched-off connector may take to reach a replica. Refusals are not cached.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._resource = settings.resource
        self._trust_seconds = settings.token_cache_seconds
        self._cache: OrderedDict[str, tuple[CheckedToken, float]] = OrderedDict()

    async def authenticate(self, token: str) -> Principal:
        """Return who is asking; Unauthenticated or Forbidden otherwise, saying why."""
        return (await self.check(token)).principal

    async def check(self, token: str) -> CheckedToken:
        """Return who is asking, and when the token expires."""
        if not is_well_formed(token, ACCESS_TOKEN_PREFIX):
            raise Unauthenticated("The access token is not one of this hub's. Sign in again.")
        digest = digest_of(token)
        checked = self._cached(digest)
        if checked is None:
            checked = await self._look_up(digest)
            self._remember(digest, checked)
        if checked.expires_at <= utc_now():
            raise Unauthenticated("The access token has expired. Sign in again.")
        return checked

    def _cached(self, digest: str) -> CheckedToken | None:
        entry = self._cache.get(digest)
        if entry is None or entry[1] <= time.monotonic():
            return None
        self._cache.move_to_end(digest)
        return entry[0]

    def _remember(self, digest: str, checked: CheckedToken) -> None:
        if self._trust_seconds == 0:
            return
        self._cache[digest] = (checked, time.monotonic() + self._trust_seconds)
        self._cache.move_to_end(digest)
        if len(self._cache) > _MAX_CACHED_TOKENS:
            self._cache.popitem(last=False)

    async def _look_up(self, digest: str) -> CheckedToken:
        async with self._database.transaction(presented=digest) as session:
            token = await token_by_digest(session, digest=digest)
            if token is None:
                raise Unauthenticated("The access token is unknown. Sign in again.")
            await enter(session, tenant_id=token.tenant_id, user_id=token.user_id)
            standing = await standing_of_grant(
                session, tenant_id=token.tenant_id, grant_id=token.grant_id
            )
        self._check_token(token)
        return CheckedToken(_principal(token, standing), token.expires_at)

    def _check_token(self, token: StoredToken) -> None:
        if token.is_revoked:
            raise Unauthenticated("The access token was revoked. Sign in again.")
        # RFC 8707 §2: a token that was made for another resource is none here.
        if token.resource != self._resource:
            raise Unauthenticated("The access token was issued for another resource.")


def _principal(token: StoredToken, standing: Standing | None) -> Principal:
    """Return who is asking, with no more than the tenant and the person's role allow today."""
    if standing is None or standing.is_revoked:
        raise Unauthenticated("The permission behind the access token was revoked. Sign in again.")
    if standing.is_disabled or standing.role is None:
        raise Unauthenticated("The person behind the access token is no longer a member.")
    if not standing.claude_may_read:
        raise Forbidden(
            "The Claude connector is switched off in this organisation. An owner or admin can"
            " switch it on."
        )
    scopes = frozenset(Scope(name) for name in token.scope.split())
    if not standing.claude_may_acknowledge:
        scopes -= {Scope.ACKNOWLEDGE}
    return Principal(
        kind=PrincipalKind.CONNECTOR,
        tenant_id=token.tenant_id,
        user_id=token.user_id,
        label=standing.email,
        permissions=permissions_of_token(scopes, standing.role),
        scopes=scopes,
        role=standing.role,
        client_id=token.client_id,
        grant_id=token.grant_id,
    )
