"""Writes of service levels: targets are made, observations come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Float, Uuid, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.fleet.array_rows import array_rows
from hub.sla.models import SlaIndicator, SlaObservation, SlaTarget

BUCKET_SECONDS = 300
_OBSERVATIONS_A_STATEMENT = 20_000
_OBSERVATION_TYPES: dict[str, TypeEngine[Any]] = {
    "target_id": Uuid(),
    "at": DateTime(timezone=True),
    "good_seconds": Float(),
    "bad_seconds": Float(),
}
_OBSERVATIONS = SlaObservation.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """How the five minutes that start `at` went for one target, in seconds.

    Seconds that are neither good nor bad are unknown; maintenance is reported as neither.
    """

    target_id: UUID
    at: datetime
    good_seconds: float
    bad_seconds: float


async def create_target(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    name: str,
    indicator: SlaIndicator,
    objective: float,
    window_days: int = 30,
    minimum_data: float = 0.95,
    description: str = "",
    agent_id: UUID | None = None,
    created_at: datetime | None = None,
) -> SlaTarget:
    """Store a promise; the objective is a share, 0.999 for 99.9 %."""
    if not 0 < objective <= 1:
        raise InvalidInput("`objective` must be a share above 0 and up to 1.", field="objective")
    if not 0 <= minimum_data <= 1:
        raise InvalidInput("`minimum_data` must be a share from 0 to 1.", field="minimum_data")
    target = SlaTarget(
        tenant_id=tenant_id,
        name=name,
        description=description,
        indicator=indicator,
        agent_id=agent_id,
        objective=objective,
        window_days=window_days,
        minimum_data=minimum_data,
        created_at=created_at or utc_now(),
    )
    session.add(target)
    await session.flush()
    return target


async def record_observations(
    session: AsyncSession, *, tenant_id: UUID, observations: Sequence[Observation]
) -> None:
    """Store five-minute observations; the newer word about the same five minutes replaces."""
    if not observations:
        return
    if any(one.at.timestamp() % BUCKET_SECONDS for one in observations):
        raise InvalidInput("`at` must be the start of five minutes, such as 08:05.", field="at")
    # The newest of several words about the same five minutes: one statement may not touch a row
    # twice.
    newest = {(one.target_id, one.at): one for one in observations}
    for batch in batched(newest.values(), _OBSERVATIONS_A_STATEMENT):
        told = array_rows(
            "told",
            _OBSERVATION_TYPES,
            [(one.target_id, one.at, one.good_seconds, one.bad_seconds) for one in batch],
        )
        statement = postgresql.insert(_OBSERVATIONS).from_select(
            ["tenant_id", *_OBSERVATION_TYPES, "excluded_share"],
            select(literal(tenant_id, Uuid), *told.c, literal(0.0)),
            include_defaults=False,
        )
        upsert = statement.on_conflict_do_update(
            index_elements=["tenant_id", "target_id", "at"],
            set_={
                "good_seconds": statement.excluded.good_seconds,
                "bad_seconds": statement.excluded.bad_seconds,
            },
        )
        await session.execute(upsert)
