"""The bearer check of the resource server: from a token to who is asking and what they may do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Forbidden, HubError, Unauthenticated
from hub.principal import Principal, PrincipalKind, Scope, permissions_of_token
from hub.settings import Settings
from oauth.models import StepKind, TokenKind
from oauth.refusals import RefusalLog
from oauth.standing import PresentedToken, presented_token
from oauth.tokens import ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX, digest_of, is_well_formed
from oauth.trace import Step

_log = structlog.get_logger(__name__)
_NOT_OURS = "The access token is not one of this hub's. Sign in again."


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """Who a token speaks for, and until when it is good."""

    principal: Principal
    expires_at: datetime


class BearerAuthenticator:
    """Checks access tokens; one for the process's life.

    Nothing is trusted from one call to the next. PostgreSQL is asked each time, in one round trip,
    so a revoked grant or a switched-off connector is out with the next call, on every replica. A
    cache would have to be told, and being told takes time in which the token still works.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._resource = settings.resource
        self._refusals = RefusalLog(database)

    async def authenticate(self, token: str) -> Principal:
        """Return who is asking; Unauthenticated or Forbidden otherwise, saying why."""
        return (await self.check(token)).principal

    async def check(self, token: str) -> CheckedToken:
        """Return who is asking, and when the token expires."""
        # One that we cannot have made is not looked up. A refresh token is: shown here, it leaked
        # to where it has no business, and its tenant should know.
        found = None
        if _is_ours(token):
            found = await presented_token(self._database, digest=digest_of(token))
        try:
            if not _is_ours(token):
                raise Unauthenticated(_NOT_OURS)
            return self._checked(found)
        except HubError as error:
            await self._write_down(found, error)
            raise

    def _checked(self, token: PresentedToken | None) -> CheckedToken:
        if token is None:
            raise Unauthenticated("The access token is unknown. Sign in again.")
        if token.kind is not TokenKind.ACCESS:
            raise Unauthenticated("A refresh token opens nothing here. Sign in again.")
        if token.is_revoked:
            raise Unauthenticated("The access token was revoked. Sign in again.")
        # RFC 8707 §2: a token that was made for another resource is none here.
        if token.resource != self._resource:
            raise Unauthenticated("The access token was issued for another resource.")
        if token.expires_at <= utc_now():
            raise Unauthenticated("The access token has expired. Sign in again.")
        return CheckedToken(principal_of(token), token.expires_at)

    async def turned_away(
        self, reason: str, *, shown: Sequence[str] = (), address: str, request_id: str
    ) -> None:
        """Write down a request that was refused before its token was looked at.

        `shown` are the tokens that stood where none belongs: whose they are is told their tenant.
        """
        ours = [token for token in shown if _is_ours(token)][:1]
        try:
            found = [await presented_token(self._database, digest=digest_of(t)) for t in ours]
            await self._write(
                next(iter(found), None),
                error="invalid_request",
                reason=reason,
                stranger=address,
                request_id=request_id,
            )
        except (SQLAlchemyError, OSError):
            # Refused it is either way, and the log has it.
            _log.warning("refusal_not_written", reason=reason, request_id=request_id)

    async def _write_down(self, token: PresentedToken | None, error: HubError) -> None:
        """Keep why a token was refused: "connected, and yet nothing works" is a common call."""
        await self._write(
            token,
            error=error.code.lower(),
            reason=error.message,
            stranger="unknown token",
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )

    async def _write(
        self,
        token: PresentedToken | None,
        *,
        error: str,
        reason: str,
        stranger: str,
        request_id: str | None,
    ) -> None:
        step = Step(
            kind=StepKind.REFUSED,
            client_id=token.client_id if token else "",
            tenant_id=token.tenant_id if token else None,
            user_id=token.user_id if token else None,
            request_id=request_id,
            details={"at": "resource", "error": error, "reason": reason},
        )
        caller = f"grant {token.grant_id}" if token else stranger
        await self._refusals.write(step, caller=caller, actor=token.email if token else "")


def _is_ours(token: str) -> bool:
    return is_well_formed(token, ACCESS_TOKEN_PREFIX) or is_well_formed(token, REFRESH_TOKEN_PREFIX)


def principal_of(token: PresentedToken) -> Principal:
    """Return who is asking, with no more than the tenant and the person's role allow today."""
    if token.is_disabled or token.role is None:
        raise Unauthenticated("The person behind the access token is no longer a member.")
    if not token.claude_may_read:
        raise Forbidden(
            "The Claude connector is switched off in this organisation. An owner or admin can"
            " switch it on."
        )
    scopes = frozenset(Scope(name) for name in token.scope.split())
    if not token.claude_may_acknowledge:
        scopes -= {Scope.ACKNOWLEDGE}
    return Principal(
        kind=PrincipalKind.CONNECTOR,
        tenant_id=token.tenant_id,
        user_id=token.user_id,
        label=token.email,
        permissions=permissions_of_token(scopes, token.role),
        scopes=scopes,
        role=token.role,
        client_id=token.client_id,
        grant_id=token.grant_id,
    )
