"""Writes of service levels: targets are made, observations come in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Float, Uuid, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.fleet.array_rows import array_rows
from hub.sla.maintenance import excluded_share, periods_by_target
from hub.sla.models import SlaIndicator, SlaObservation, SlaTarget
from hub.sla.periods import BUCKET, Period
from hub.sla.rollups import on_grid, roll_up, take_turns

BUCKET_SECONDS = 300
WINDOWS_DAYS = (1, 7, 28, 30, 90)
_OBSERVATIONS_A_STATEMENT = 20_000
_OBSERVATION_TYPES: dict[str, TypeEngine[Any]] = {
    "target_id": Uuid(),
    "at": DateTime(timezone=True),
    "good_seconds": Float(),
    "bad_seconds": Float(),
    "excluded_share": Float(),
}
_OBSERVATIONS = SlaObservation.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """How the five minutes that start `at` went for one target, in seconds.

    Seconds that are neither good nor bad are unknown. Maintenance need not be thought of: it is
    taken out when it is declared, before or afterwards.
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
    is_calendar_month: bool = False,
    time_zone: str = "UTC",
    minimum_data: float = 0.95,
    description: str = "",
    agent_id: UUID | None = None,
    is_watched: bool = False,
    created_at: datetime | None = None,
) -> SlaTarget:
    """Store a promise; the objective is a share, 0.999 for 99.9 %.

    `is_watched` lets the hub's own jobs observe it (agent up, alert-free); else somebody reports.
    """
    if not 0 < objective <= 1:
        raise InvalidInput("`objective` must be a share above 0 and up to 1.", field="objective")
    if not 0 <= minimum_data <= 1:
        raise InvalidInput("`minimum_data` must be a share from 0 to 1.", field="minimum_data")
    if window_days not in WINDOWS_DAYS:
        raise InvalidInput("`window_days` must be 1, 7, 28, 30 or 90.", field="window_days")
    if is_watched and indicator is SlaIndicator.AGENT_UP and agent_id is None:
        raise InvalidInput("`agent_id` must name the agent that is to be up.", field="agent_id")
    made_at = created_at or utc_now()
    target = SlaTarget(
        tenant_id=tenant_id,
        name=name,
        description=description,
        indicator=indicator,
        agent_id=agent_id,
        objective=objective,
        window_days=window_days,
        is_calendar_month=is_calendar_month,
        time_zone=await _time_zone(session, time_zone),
        minimum_data=minimum_data,
        created_at=made_at,
        observed_until=made_at if is_watched else None,
    )
    session.add(target)
    await session.flush()
    return target


async def record_observations(
    session: AsyncSession, *, tenant_id: UUID, observations: Sequence[Observation]
) -> None:
    """Store five-minute observations; the newer word about the same five minutes replaces."""
    if any(one.at.timestamp() % BUCKET_SECONDS for one in observations):
        raise InvalidInput("`at` must be the start of five minutes, such as 08:05.", field="at")
    # The newest of several words about the same five minutes: one statement may not touch a row
    # twice.
    newest = {(one.target_id, one.at): one for one in observations}
    await _store(session, tenant_id, list(newest.values()), is_added=False)


async def add_periods(
    session: AsyncSession, *, tenant_id: UUID, periods: Sequence[tuple[UUID, Period]]
) -> None:
    """Add time that went well or badly to what is known of its five minutes.

    What a job saw; it moves its own mark in the same transaction, so nothing is added twice.
    """
    sums: dict[tuple[UUID, datetime], list[float]] = {}
    for target_id, period in periods:
        for at, seconds in period.by_bucket():
            sums.setdefault((target_id, at), [0.0, 0.0])[0 if period.is_good else 1] += seconds
    observations = [
        Observation(target_id=target_id, at=at, good_seconds=good, bad_seconds=bad)
        for (target_id, at), (good, bad) in sorted(sums.items())
    ]
    await _store(session, tenant_id, observations, is_added=True)


async def _store(
    session: AsyncSession, tenant_id: UUID, observations: Sequence[Observation], *, is_added: bool
) -> None:
    if not observations:
        return
    await take_turns(session, target_ids={one.target_id for one in observations})
    maintenance = await periods_by_target(
        session,
        target_ids={one.target_id for one in observations},
        since=min(one.at for one in observations),
        until=max(one.at for one in observations) + BUCKET,
    )
    for batch in batched(observations, _OBSERVATIONS_A_STATEMENT):
        rows = [
            (
                *(one.target_id, one.at, on_grid(one.good_seconds), on_grid(one.bad_seconds)),
                excluded_share(one.at, maintenance.get(one.target_id, ())),
            )
            for one in batch
        ]
        await _upsert(session, tenant_id, rows, is_added=is_added)
    touched: dict[UUID, datetime] = {}
    for one in observations:
        touched[one.target_id] = min(one.at, touched.get(one.target_id, one.at))
    await roll_up(session, tenant_id=tenant_id, touched=touched)


async def _upsert(
    session: AsyncSession, tenant_id: UUID, rows: Sequence[tuple[Any, ...]], *, is_added: bool
) -> None:
    told = array_rows("told", _OBSERVATION_TYPES, rows)
    statement = postgresql.insert(_OBSERVATIONS).from_select(
        ["tenant_id", *_OBSERVATION_TYPES],
        select(literal(tenant_id, Uuid), *told.c),
        include_defaults=False,
    )
    new = statement.excluded
    seconds = {
        name: _OBSERVATIONS.c[name] + new[name] if is_added else new[name]
        for name in ("good_seconds", "bad_seconds")
    }
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "target_id", "at"],
            set_={**seconds, "excluded_share": new.excluded_share},
        )
    )


async def _time_zone(session: AsyncSession, name: str) -> str:
    """Return the name if the database knows it: one that it does not know ends every list."""
    zones = func.pg_timezone_names().table_valued("name")
    if name == "UTC" or await session.scalar(select(zones.c.name).where(zones.c.name == name)):
        return name
    raise InvalidInput(
        "`time_zone` must be a name such as UTC or Europe/Berlin.", field="time_zone"
    )
