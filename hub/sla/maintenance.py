"""Maintenance: time that counts on neither side, declared before or afterwards."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Float, Uuid, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import MAX_LOOKBACK
from hub.errors import InvalidInput, NotFound
from hub.fleet.array_rows import array_rows
from hub.principal import Principal
from hub.sla.models import SlaMaintenance, SlaObservation, SlaTarget
from hub.sla.periods import BUCKET, Interval, bucket_of, joined, time_within
from hub.sla.rollups import roll_up, take_turns
from hub.text import check_text

MAX_REASON_CHARACTERS = 500
_OBSERVATIONS = SlaObservation.__table__  # type: ignore[attr-defined]


async def periods_by_target(
    session: AsyncSession, *, target_ids: Collection[UUID], since: datetime, until: datetime
) -> dict[UUID, list[Interval]]:
    """Return the maintenance of each target in a period, joined and in order."""
    rows = await session.execute(
        select(
            col(SlaMaintenance.target_id),
            col(SlaMaintenance.starts_at),
            col(SlaMaintenance.ends_at),
        ).where(col(SlaMaintenance.ends_at) > since, col(SlaMaintenance.starts_at) < until)
    )
    found: dict[UUID, list[Interval]] = defaultdict(list)
    for target_id, starts_at, ends_at in rows:
        for one in target_ids if target_id is None else {target_id} & {*target_ids}:
            found[one].append((starts_at, ends_at))
    return {target_id: joined(intervals) for target_id, intervals in found.items()}


def excluded_share(at: datetime, maintenance: Sequence[Interval]) -> float:
    """Return the share of the five minutes from `at` on that maintenance takes out."""
    return time_within(maintenance, (at, at + BUCKET)) / BUCKET if maintenance else 0.0


async def declare_maintenance(
    session: AsyncSession,
    *,
    principal: Principal,
    target_id: UUID | None,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    now: datetime,
    request_id: str | None = None,
) -> SlaMaintenance:
    """Take a period out of one target, or of all; what was observed in it no longer counts."""
    _check_times(starts_at, ends_at, now)
    maintenance = SlaMaintenance(
        tenant_id=principal.tenant_id,
        target_id=target_id,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=check_text(reason, field="reason", max_characters=MAX_REASON_CHARACTERS),
        created_by=principal.label,
        created_at=now,
    )
    if (
        target_id is not None
        and await session.get(SlaTarget, (principal.tenant_id, target_id)) is None
    ):
        raise _no_such_target()
    session.add(maintenance)
    await session.flush()
    await _apply(session, principal.tenant_id, target_id, (starts_at, ends_at))
    event = _event(EventType.SLA_MAINTENANCE_DECLARED, principal, maintenance, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return maintenance


async def withdraw_maintenance(
    session: AsyncSession,
    *,
    principal: Principal,
    maintenance_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Let a period count again, as it was observed."""
    maintenance = (
        await session.scalars(
            delete(SlaMaintenance)
            .where(col(SlaMaintenance.id) == maintenance_id)
            .returning(SlaMaintenance)
        )
    ).one_or_none()
    if maintenance is None:
        raise NotFound("No maintenance has this id.", field="id")
    period = (maintenance.starts_at, maintenance.ends_at)
    await _apply(session, principal.tenant_id, maintenance.target_id, period)
    event = _event(EventType.SLA_MAINTENANCE_WITHDRAWN, principal, maintenance, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


def _check_times(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    for field, at in (("starts_at", starts_at), ("ends_at", ends_at)):
        if at.tzinfo is None:
            raise InvalidInput(
                f"`{field}` needs an offset, as 2026-11-03T08:00:00Z has.", field=field
            )
        if abs(at - now) > MAX_LOOKBACK:
            raise InvalidInput(
                f"`{field}` must be within {MAX_LOOKBACK.days} days of now.", field=field
            )
    if ends_at <= starts_at:
        raise InvalidInput("`ends_at` must be after `starts_at`.", field="ends_at")


async def _apply(
    session: AsyncSession, tenant_id: UUID, target_id: UUID | None, period: Interval
) -> None:
    """Count what was observed in the period anew."""
    await take_turns(session, target_ids=None if target_id is None else {target_id})
    first = bucket_of(period[0])
    statement = select(col(SlaObservation.target_id), col(SlaObservation.at)).where(
        col(SlaObservation.at) >= first, col(SlaObservation.at) < period[1]
    )
    if target_id is not None:
        statement = statement.where(col(SlaObservation.target_id) == target_id)
    rows = await session.execute(statement)
    observed = [(row[0], row[1]) for row in rows]
    touched = dict.fromkeys((one[0] for one in observed), first)
    maintenance = await periods_by_target(
        session, target_ids=touched, since=first, until=period[1] + BUCKET
    )
    types: dict[str, TypeEngine[Any]] = {
        "target_id": Uuid(),
        "at": DateTime(timezone=True),
        "share": Float(),
    }
    shares = array_rows(
        "shares",
        types,
        [(one, at, excluded_share(at, maintenance.get(one, ()))) for one, at in observed],
    )
    if observed:
        await session.execute(
            update(_OBSERVATIONS)
            .where(
                _OBSERVATIONS.c.target_id == shares.c.target_id, _OBSERVATIONS.c.at == shares.c.at
            )
            .values(excluded_share=shares.c.share)
        )
    await roll_up(session, tenant_id=tenant_id, touched=touched)


def _event(
    event_type: EventType,
    principal: Principal,
    maintenance: SlaMaintenance,
    request_id: str | None,
) -> AuditEvent:
    return AuditEvent.by(
        principal,
        event_type,
        details={
            "maintenance": str(maintenance.id),
            "target": str(maintenance.target_id) if maintenance.target_id else None,
            "starts_at": maintenance.starts_at.isoformat(),
            "ends_at": maintenance.ends_at.isoformat(),
        },
        body=maintenance.reason,
        request_id=request_id,
    )


def _no_such_target() -> NotFound:
    return NotFound("No service-level target has this id.", field="target_id")
