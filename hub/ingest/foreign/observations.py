"""What a tool saw and no rule of ours reads: an alert all the same, so that nothing is lost.

Such tools never say that something is over. So what one rule saw on one host about one subject is
one alert until it was quiet for a day; then it is resolved, and the next time it is a new one.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts, resolve_alerts
from hub.alerts.models import AlertCategory
from hub.ingest.foreign.models import ForeignAlert
from hub.severity import Severity

QUIET_AFTER = timedelta(days=1)
SOURCES = ("falco", "wazuh")
_CLOSED_A_TURN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing that a tool saw on one host."""

    source: str
    rule: str
    subject: str
    agent_id: UUID
    at: datetime
    severity: Severity
    title: str
    description: str

    @property
    def external_id(self) -> str:
        """What is the same for everything that makes one alert."""
        parts = (self.rule, str(self.agent_id), self.subject)
        return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()


async def take_observation(
    session: AsyncSession, *, tenant_id: UUID, observation: Observation, now: datetime
) -> bool:
    """Open an alert, or find the one that this belongs to; tell whether it is a new one."""
    if await _belongs_to_a_known_one(session, observation, now):
        return False
    is_over = observation.at < now - QUIET_AFTER
    inserted = await session.scalar(
        postgresql.insert(ForeignAlert)
        .values(
            tenant_id=tenant_id,
            source=observation.source,
            external_id=observation.external_id,
            started_at=observation.at,
            ended_at=observation.at if is_over else None,
            last_told_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(ForeignAlert.external_id))
    )
    if inserted is None:
        return False
    await record_alerts(session, tenant_id=tenant_id, alerts=[_alert(observation, is_over=is_over)])
    return True


async def close_quiet_observations(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
    """Resolve the alerts about which nothing was told for a day; return how many there were."""
    quiet = (
        select(
            col(ForeignAlert.source), col(ForeignAlert.external_id), col(ForeignAlert.started_at)
        )
        .where(
            col(ForeignAlert.source).in_(SOURCES),
            col(ForeignAlert.ended_at).is_(None),
            col(ForeignAlert.last_told_at) < now - QUIET_AFTER,
        )
        .order_by(col(ForeignAlert.last_told_at))
        .limit(_CLOSED_A_TURN)
        .with_for_update(skip_locked=True)
    )
    rows = (await session.execute(quiet)).all()
    if not rows:
        return 0
    same = or_(
        *(
            and_(
                col(ForeignAlert.source) == row.source,
                col(ForeignAlert.external_id) == row.external_id,
                col(ForeignAlert.started_at) == row.started_at,
            )
            for row in rows
        )
    )
    await session.execute(
        update(ForeignAlert).where(same).values(ended_at=col(ForeignAlert.last_told_at)),
        execution_options={"synchronize_session": False},
    )
    fingerprints = sorted({f"{row.source}:{row.external_id}" for row in rows})
    await resolve_alerts(session, tenant_id=tenant_id, fingerprints=fingerprints, at=now)
    return len(rows)


async def _belongs_to_a_known_one(
    session: AsyncSession, observation: Observation, now: datetime
) -> bool:
    """Note that it was told again; what is neither new nor late belongs to what is known."""
    at = observation.at
    known = await session.scalars(
        update(ForeignAlert)
        .where(
            col(ForeignAlert.source) == observation.source,
            col(ForeignAlert.external_id) == observation.external_id,
            col(ForeignAlert.started_at) <= at + QUIET_AFTER,
            or_(col(ForeignAlert.ended_at).is_(None), col(ForeignAlert.ended_at) >= at),
        )
        .values(last_told_at=now)
        .returning(col(ForeignAlert.external_id)),
        execution_options={"synchronize_session": False},
    )
    return bool(known.all())


def _alert(observation: Observation, *, is_over: bool) -> NewAlert:
    return NewAlert(
        fingerprint=f"{observation.source}:{observation.external_id}",
        category=AlertCategory.SECURITY,
        severity=observation.severity,
        title=observation.title,
        description=observation.description,
        agent_id=observation.agent_id,
        source=observation.source,
        opened_at=observation.at,
        resolved_at=observation.at if is_over else None,
    )
