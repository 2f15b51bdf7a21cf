"""The public keys that the hub pinned: at most one living key an agent."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import Conflict
from hub.fleet.models import AgentKey
from hub.fleet.signatures import public_key_digest


async def pin_key(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    public_key: bytes,
    sequence: int,
    now: datetime,
) -> str:
    """Trust this key from now on, and no other of the agent; return the key's digest.

    The sequence is that of the enrolment itself, so that it cannot be sent again as a report.
    """
    await retire_keys(session, agent_id=agent_id, now=now)
    digest = public_key_digest(public_key)
    # A key that is known cannot be pinned again: one that was retired stays so, and a key belongs
    # to one agent. The row may be another tenant's, so it is not read; the database decides.
    pinned = await session.scalar(
        postgresql.insert(AgentKey)
        .values(
            digest=digest,
            tenant_id=tenant_id,
            agent_id=agent_id,
            public_key=public_key,
            last_sequence=sequence,
            pinned_at=now,
        )
        .on_conflict_do_nothing(index_elements=["digest"])
        .returning(col(AgentKey.digest))
    )
    if pinned is None:
        raise Conflict(
            "This key was pinned before. Enrol again without it: each enrolment makes a new key.",
            field="public_key",
        )
    return digest


async def retire_keys(session: AsyncSession, *, agent_id: UUID, now: datetime) -> int:
    """Trust no key of the agent any more; return how many were trusted."""
    retired = await session.scalars(
        update(AgentKey)
        .where(col(AgentKey.agent_id) == agent_id, col(AgentKey.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(AgentKey.digest)),
        execution_options={"synchronize_session": False},
    )
    return len(retired.all())


async def living_key_pinned_at(session: AsyncSession, *, agent_id: UUID) -> datetime | None:
    """Return since when the machine that reports as this agent does; None when there is none."""
    statement = select(col(AgentKey.pinned_at)).where(
        col(AgentKey.agent_id) == agent_id, col(AgentKey.revoked_at).is_(None)
    )
    pinned_at: datetime | None = await session.scalar(statement)
    return pinned_at


async def is_trusted(session: AsyncSession, *, digest: str) -> bool:
    """Tell whether the hub believes what is signed with this key."""
    statement = select(col(AgentKey.agent_id)).where(
        col(AgentKey.digest) == digest, col(AgentKey.revoked_at).is_(None)
    )
    return await session.scalar(statement) is not None
