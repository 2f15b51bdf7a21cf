"""Signing in: from an address and a password to a session, in the same time for everybody."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from hub.errors import InvalidInput
from hub.tenancy.commands import normal_email
from hub.tenancy.passwords import password_matches
from hub.tenancy.queries import Account, TenantMembership, account_by_email, memberships_of
from hub.tenancy.sessions import (
    end_session,
    new_session_token,
    open_session,
    record_failed_sign_in,
)
from oauth.service import OAuth

_log = structlog.get_logger(__name__)

WRONG_CREDENTIALS = "The e-mail address or the password is not right. Check both and try again."
NO_TENANT = "Your account belongs to no organisation. Ask an owner or admin to add you."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; the token goes into the cookie and nowhere else."""

    token: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why not. `message` is for the person, `reason` for the audit trail."""

    message: str
    reason: str
    account: Account | None = None


async def sign_in(
    oauth: OAuth,
    *,
    email: str,
    password: str,
    former_token: str | None,
    request_id: str | None,
) -> SignedIn | Refused:
    """Check the credentials and open a session, ending the one the browser had (rotation)."""
    account = await _account(oauth, email)
    # Hashed for strangers too, and outside of any transaction: it takes long.
    is_right = await password_matches(password, account.password_hash if account else None)
    if account is None:
        return Refused(WRONG_CREDENTIALS, "unknown_account")
    if not is_right:
        return Refused(WRONG_CREDENTIALS, "wrong_password", account)
    if account.is_disabled:
        return Refused(WRONG_CREDENTIALS, "disabled_account", account)
    tenants = await _tenants(oauth, account)
    if not tenants:
        return Refused(NO_TENANT, "no_tenant", account)
    token = new_session_token()
    async with oauth.database.transaction() as session:
        if former_token is not None:
            await end_session(session, token=former_token, request_id=request_id)
        await open_session(
            session,
            token=token,
            tenant_id=tenants[0].tenant_id,
            user_id=account.user_id,
            email=account.email,
            lifetime=timedelta(hours=oauth.settings.session_absolute_hours),
            request_id=request_id,
        )
    return SignedIn(token)


async def record_refusal(oauth: OAuth, refusal: Refused, *, request_id: str | None) -> None:
    """Write a failed sign-in down; called after the answer left.

    An event is a commit, and only people who exist have a tenant to write it to: done before, it
    would make their refusals slower than a stranger's.
    """
    _log.info("sign_in_failed", reason=refusal.reason, request_id=request_id)
    account = refusal.account
    tenants = await _tenants(oauth, account) if account else []
    if account is None or not tenants:
        return
    async with oauth.database.transaction() as session:
        await record_failed_sign_in(
            session,
            tenant_id=tenants[0].tenant_id,
            user_id=account.user_id,
            email=account.email,
            reason=refusal.reason,
            request_id=request_id,
        )


async def _account(oauth: OAuth, email: str) -> Account | None:
    try:
        address = normal_email(email)
    except InvalidInput:
        return None
    async with oauth.database.transaction(presented=address) as session:
        return await account_by_email(session, email=address)


async def _tenants(oauth: OAuth, account: Account) -> list[TenantMembership]:
    async with oauth.database.transaction(user_id=account.user_id) as session:
        return await memberships_of(session, user_id=account.user_id)
