"""Housekeeping of accounts: what is long over is deleted, so that it cannot leak."""

from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.attempts import prune_attempts
from hub.tenancy.models import AccountLink, WebSession

_EVERYBODY = "*"
_LINKS_KEPT = timedelta(days=7)
_SESSIONS_KEPT = timedelta(days=30)


async def prune_accounts(database: Database) -> None:
    """Delete links and sign-ins that expired a while ago, and counts of attempts that are over.

    The audit trail keeps what happened.
    """
    now = utc_now()
    async with database.transaction(presented=_EVERYBODY) as session:
        await prune_attempts(session, now=now)
        await session.execute(
            delete(AccountLink).where(col(AccountLink.expires_at) < now - _LINKS_KEPT)
        )
        await session.execute(
            delete(WebSession).where(col(WebSession.expires_at) < now - _SESSIONS_KEPT)
        )
