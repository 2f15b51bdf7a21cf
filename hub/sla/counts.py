"""Counts that a customer sends: of each five minutes, how many went well of how many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import Forbidden, InvalidInput
from hub.sla.commands import BUCKET_SECONDS, Observation, record_observations
from hub.sla.models import SlaIndicator, SlaTarget
from hub.sla.queries import target_id_of

_OLDEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Count:
    """How the five minutes that start `at` went."""

    at: datetime
    good: float
    total: float


async def record_counts(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID | None,
    target: str,
    counts: Sequence[Count],
    now: datetime,
) -> None:
    """Store counts as shares of their five minutes; none at all is unknown, not up.

    An agent sends those of its own host and of no other; None is a key of the whole tenant.
    """
    target_id = await target_id_of(session, target)
    found = (
        await session.execute(
            select(col(SlaTarget.indicator), col(SlaTarget.agent_id)).where(
                col(SlaTarget.id) == target_id
            )
        )
    ).one()
    if found.indicator is not SlaIndicator.CUSTOM:
        raise InvalidInput("`target` is observed by the hub; it takes no counts.", field="target")
    if agent_id is not None and found.agent_id not in {None, agent_id}:
        raise Forbidden("`target` is about another host; its own agent sends its counts.")
    if any(not now - _OLDEST < one.at <= now for one in counts):
        raise InvalidInput("`at` must be within the last 7 days.", field="at")
    await record_observations(
        session,
        tenant_id=tenant_id,
        observations=[_observation(target_id, one) for one in counts],
    )


def _observation(target_id: UUID, count: Count) -> Observation:
    good = BUCKET_SECONDS * count.good / count.total if count.total else 0.0
    return Observation(
        target_id=target_id,
        at=count.at,
        good_seconds=good,
        bad_seconds=BUCKET_SECONDS - good if count.total else 0.0,
    )
