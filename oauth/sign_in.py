"""Signing in: from an address and a password to a session, in the same time for everybody."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.audit.events import EventType
from hub.clock import utc_now
from hub.database import enter
from hub.errors import InvalidInput
from hub.tenancy.account_commands import record_account_event
from hub.tenancy.commands import normal_email
from hub.tenancy.passwords import password_matches
from hub.tenancy.queries import (
    Account,
    TenantMembership,
    account_by_email,
    memberships_of,
    still_holds,
)
from hub.tenancy.second_factor import Factor
from hub.tenancy.sessions import (
    end_session,
    new_session_token,
    open_session,
)
from oauth.service import OAuth

WRONG_CREDENTIALS = "The e-mail address or the password is not right. Check both and try again."
WRONG_CODE = "This code is not right, or it was used before. Wait for the next one and try again."
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


async def check_password(oauth: OAuth, *, email: str, password: str) -> Account | Refused:
    """Return whose address and password these are."""
    account = await account_of(oauth, email)
    # Hashed for strangers too, and outside of any transaction: it takes long.
    is_right = await password_matches(password, account.password_hash if account else None)
    if account is None:
        return Refused(WRONG_CREDENTIALS, "unknown_account")
    if not is_right:
        return Refused(WRONG_CREDENTIALS, "wrong_password", account)
    if account.is_disabled:
        return Refused(WRONG_CREDENTIALS, "disabled_account", account)
    return account


async def sign_in(
    oauth: OAuth,
    account: Account,
    *,
    former_token: str | None,
    factor: Factor | None = None,
    request_id: str | None,
) -> SignedIn | Refused:
    """Open a session for who showed everything, ending the one the browser had (rotation).

    In two transactions: the former sign-in may be in another tenant, and who waits for two audit
    trails in whatever order may wait for ever.
    """
    tenants = await _tenants(oauth, account)
    if not tenants:
        return Refused(NO_TENANT, "no_tenant", account)
    token, tenant_id = new_session_token(), tenants[0].tenant_id
    if former_token is not None:
        async with oauth.database.transaction() as session:
            await end_session(session, token=former_token, request_id=request_id)
    async with oauth.database.transaction(user_id=account.user_id) as session:
        # Checking a password takes a while, in which it may have been changed because it leaked.
        if not await still_holds(session, account=account):
            return Refused(WRONG_CREDENTIALS, "password_changed", account)
        await open_session(
            session,
            token=token,
            tenant_id=tenant_id,
            user_id=account.user_id,
            email=account.email,
            lifetime=timedelta(hours=oauth.settings.session_absolute_hours),
            second_factor_at=utc_now() if factor else None,
            request_id=request_id,
        )
        if factor is Factor.RECOVERY_CODE:
            await record_account_event(
                session,
                event_type=EventType.RECOVERY_CODE_USED,
                tenant_id=tenant_id,
                user_id=account.user_id,
                email=account.email,
            )
    return SignedIn(token)


async def account_of(oauth: OAuth, email: str) -> Account | None:
    """Return the account of this address, None when there is none or it is no address."""
    try:
        address = normal_email(email)
    except InvalidInput:
        return None
    async with oauth.database.transaction(presented=address) as session:
        return await account_by_email(session, email=address)


async def record_for(
    session: AsyncSession, account: Account, event_type: EventType, **details: str
) -> None:
    """Write an event of somebody's account to the trail of each tenant they belong to.

    Comes last in a transaction: it enters those tenants, always in the same order, so that two of
    these never wait for each other.
    """
    await enter(session, user_id=account.user_id)
    tenants = await memberships_of(session, user_id=account.user_id)
    for tenant_id in sorted(tenant.tenant_id for tenant in tenants):
        await enter(session, tenant_id=tenant_id, user_id=account.user_id)
        await record_account_event(
            session,
            event_type=event_type,
            tenant_id=tenant_id,
            user_id=account.user_id,
            email=account.email,
            **details,
        )


async def _tenants(oauth: OAuth, account: Account) -> list[TenantMembership]:
    async with oauth.database.transaction(user_id=account.user_id) as session:
        return await memberships_of(session, user_id=account.user_id)
