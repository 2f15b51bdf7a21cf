"""Enrolment tokens: each lets one machine enrol, once and soon."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from hub.fleet.agent_names import check_agent_name, check_tags
from hub.fleet.models import EnrolmentToken
from hub.opaque_tokens import digest_of, is_well_formed, new_token

PREFIX = "met_"
DEFAULT_LIFETIME = timedelta(hours=1)
LONGEST_LIFETIME = timedelta(days=7)
MAX_PENDING = 1_000  # of one tenant: a forgotten script must not fill the table
_HOW = "Make a new one in the dashboard or with `monsys agent token`."


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was just made: the only moment at which its text is known."""

    token: str
    name: str | None
    tags: Sequence[str]
    expires_at: datetime

    @property
    def id(self) -> str:
        """How lists name it."""
        return digest_of(self.token)


@dataclass(frozen=True, slots=True)
class PendingToken:
    """A token that a machine may still use. Its id is the digest: it opens nothing."""

    id: str
    name: str | None
    tags: Sequence[str]
    made_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedToken:
    """What a machine may enrol as, with the token that it used up."""

    digest: str
    name: str | None
    tags: Sequence[str]
    made_by: str
    created_at: datetime


async def issue_enrolment_token(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    made_by: str,
    now: datetime,
    name: str | None = None,
    tags: Sequence[str] = (),
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> IssuedToken:
    """Make a token. With a name it is good for that host only: a new one, or one to replace."""
    if not timedelta(minutes=1) <= lifetime <= LONGEST_LIFETIME:
        raise InvalidInput(
            f"`minutes` must be 1 to {LONGEST_LIFETIME // timedelta(minutes=1)} (7 days).",
            field="minutes",
        )
    if len(await pending_tokens(session, now=now)) >= MAX_PENDING:
        raise Conflict(f"{MAX_PENDING} tokens are waiting to be used; revoke some first.")
    checked = check_agent_name(name) if name is not None else None
    issued = IssuedToken(new_token(PREFIX), checked, check_tags(tags), now + lifetime)
    await session.execute(
        insert(EnrolmentToken).values(
            digest=issued.id,
            tenant_id=tenant_id,
            name=issued.name,
            tags=issued.tags,
            made_by=made_by,
            created_at=now,
            expires_at=issued.expires_at,
        )
    )
    return issued


async def pending_tokens(session: AsyncSession, *, now: datetime) -> list[PendingToken]:
    """Return the tokens that are neither used nor expired, the soonest to expire first."""
    statement = (
        select(
            col(EnrolmentToken.digest),
            col(EnrolmentToken.name),
            col(EnrolmentToken.tags),
            col(EnrolmentToken.made_by),
            col(EnrolmentToken.created_at),
            col(EnrolmentToken.expires_at),
        )
        .where(col(EnrolmentToken.used_at).is_(None), col(EnrolmentToken.expires_at) > now)
        .order_by(col(EnrolmentToken.expires_at), col(EnrolmentToken.digest))
        .limit(MAX_PENDING)
    )
    return [PendingToken(*row) for row in await session.execute(statement)]


async def withdraw_token(session: AsyncSession, *, token_id: str) -> str | None:
    """Make a token useless before it was used; return the name of the host it was for."""
    withdrawn = await session.execute(
        delete(EnrolmentToken)
        .where(col(EnrolmentToken.digest) == token_id, col(EnrolmentToken.used_at).is_(None))
        .returning(col(EnrolmentToken.name))
    )
    row = withdrawn.one_or_none()
    if row is None:
        raise NotFound("No token that could still be used has this id.", field="id")
    name: str | None = row[0]
    return name


async def forget_old_tokens(session: AsyncSession, *, before: datetime) -> None:
    """Delete tokens that expired long ago. The audit trail keeps who made them."""
    await session.execute(
        delete(EnrolmentToken).where(col(EnrolmentToken.expires_at) < before),
        execution_options={"synchronize_session": False},
    )


def presented_digest(token: str) -> str:
    """Return the digest under which to look a token up; refuse what we cannot have made."""
    if not is_well_formed(token, PREFIX):
        raise Unauthenticated(
            f"This is no enrolment token: they start with `{PREFIX}` and are 53 characters long."
            f" {_HOW}"
        )
    return digest_of(token)


async def tenant_of_token(session: AsyncSession, *, digest: str) -> UUID:
    """Return the tenant that a presented token belongs to."""
    statement = select(col(EnrolmentToken.tenant_id)).where(col(EnrolmentToken.digest) == digest)
    tenant_id = await session.scalar(statement)
    if tenant_id is None:
        raise Unauthenticated(f"This enrolment token is not known, or was revoked. {_HOW}")
    return tenant_id


async def claim_token(session: AsyncSession, *, digest: str, now: datetime) -> ClaimedToken:
    """Use the token up; of any number at once exactly one succeeds.

    The update waits for the row, and looks again at what the winner left. When the caller's
    transaction fails afterwards, the token is as good as before.
    """
    claimed = await session.execute(
        update(EnrolmentToken)
        .where(
            col(EnrolmentToken.digest) == digest,
            col(EnrolmentToken.used_at).is_(None),
            col(EnrolmentToken.expires_at) > now,
        )
        .values(used_at=now)
        .returning(
            col(EnrolmentToken.name),
            col(EnrolmentToken.tags),
            col(EnrolmentToken.made_by),
            col(EnrolmentToken.created_at),
        ),
        execution_options={"synchronize_session": False},
    )
    row = claimed.one_or_none()
    if row is None:
        raise await _why_not(session, digest=digest)
    return ClaimedToken(digest, *row)


async def note_user_of_token(session: AsyncSession, *, digest: str, agent_id: UUID) -> None:
    """Keep which host used the token."""
    await session.execute(
        update(EnrolmentToken)
        .where(col(EnrolmentToken.digest) == digest)
        .values(agent_id=agent_id),
        execution_options={"synchronize_session": False},
    )


async def _why_not(session: AsyncSession, *, digest: str) -> Unauthenticated:
    statement = select(col(EnrolmentToken.used_at)).where(col(EnrolmentToken.digest) == digest)
    used_at = await session.scalar(statement)
    if used_at is not None:
        return Unauthenticated(f"This enrolment token was used already; it is good once. {_HOW}")
    return Unauthenticated(f"This enrolment token has expired. {_HOW}")
