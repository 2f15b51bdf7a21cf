"""What the hub observes itself: whether agents report, and whether alerts are open.

Each turn looks at the time since the turn before it. When that is too long ago nobody was watching:
what was heard then is still good, but silence says nothing about it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert
from hub.fleet.models import Agent, MetricSample
from hub.fleet.status import ONLINE_WITHIN, is_in_service
from hub.severity import Severity
from hub.sla.commands import add_periods
from hub.sla.models import SlaIndicator, SlaTarget
from hub.sla.periods import Interval, Period, complement, joined, overlap

WATCHED_EVERY = timedelta(minutes=3)  # turns are a minute apart; one may be late
ALERT_SOURCE = "sla"
_LONGEST_TURN = timedelta(days=7)
_WATCHED = (SlaIndicator.AGENT_UP, SlaIndicator.ALERT_FREE)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A target, and the time of it that this turn looks at."""

    id: UUID
    indicator: SlaIndicator
    agent_id: UUID | None
    turn: Interval
    last_heard_at: datetime | None

    @property
    def was_watched(self) -> bool:
        return self.turn[1] - self.turn[0] <= WATCHED_EVERY


async def observe_targets(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
    """Observe the targets up to now; return how many there are. Done twice, it adds nothing."""
    targets = await _watched_targets(session, now)
    up = [one for one in targets if one.indicator is SlaIndicator.AGENT_UP]
    free = [one for one in targets if one.indicator is SlaIndicator.ALERT_FREE]
    heard = await _heard(session, up)
    alerts = await _alerts(session, free)
    periods = [
        *((one.id, period) for one in up for period in _up(one, heard[one.agent_id])),
        *((one.id, period) for one in free for period in _alert_free(one, alerts)),
    ]
    await add_periods(session, tenant_id=tenant_id, periods=periods)
    for one in targets:
        last = max(heard[one.agent_id], default=one.last_heard_at)
        await session.execute(
            update(SlaTarget)
            .where(col(SlaTarget.id) == one.id)
            .values(observed_until=now, last_heard_at=last),
            execution_options={"synchronize_session": False},
        )
    return len(targets)


async def _watched_targets(session: AsyncSession, now: datetime) -> list[_Watched]:
    """Return the targets that are watched, locked: of two turns at once, one finds nothing left."""
    rows = await session.execute(
        select(
            col(SlaTarget.id),
            col(SlaTarget.indicator),
            col(SlaTarget.agent_id),
            col(SlaTarget.observed_until),
            col(SlaTarget.last_heard_at),
        )
        .where(
            col(SlaTarget.indicator).in_(_WATCHED),
            col(SlaTarget.observed_until) < now,
            # A server that was retired counts nowhere: its silence is no outage.
            col(SlaTarget.agent_id).not_in(select(col(Agent.id)).where(~is_in_service()))
            | col(SlaTarget.agent_id).is_(None),
        )
        .order_by(col(SlaTarget.id))
        .with_for_update(skip_locked=True)
    )
    return [
        _Watched(
            id=row.id,
            indicator=row.indicator,
            agent_id=row.agent_id,
            turn=(max(row.observed_until, now - _LONGEST_TURN), now),
            last_heard_at=row.last_heard_at,
        )
        for row in rows
    ]


async def _heard(
    session: AsyncSession, targets: Sequence[_Watched]
) -> defaultdict[UUID | None, list[datetime]]:
    """Return when each agent was heard of: its reports, its newest sign of life, and the last."""
    heard: defaultdict[UUID | None, list[datetime]] = defaultdict(list)
    if not targets:
        return heard
    agent_ids = {one.agent_id for one in targets}
    since, until = min(one.turn[0] for one in targets) - ONLINE_WITHIN, targets[0].turn[1]
    reports = await session.execute(
        select(col(MetricSample.agent_id), col(MetricSample.at)).where(
            col(MetricSample.agent_id).in_(agent_ids),
            col(MetricSample.at) > since,
            col(MetricSample.at) <= until,
        )
    )
    for agent_id, at in reports:
        heard[agent_id].append(at)
    last_seen_at: Any = col(Agent.last_seen_at)
    signs = await session.execute(
        select(col(Agent.id), last_seen_at).where(
            col(Agent.id).in_(agent_ids), last_seen_at <= until
        )
    )
    for agent_id, at in signs:
        heard[agent_id].append(at)
    for one in targets:
        if one.last_heard_at is not None:
            heard[one.agent_id].append(one.last_heard_at)
    return heard


async def _alerts(
    session: AsyncSession, targets: Sequence[_Watched]
) -> list[tuple[UUID | None, Interval]]:
    """Return when alerts were open that count; those about service levels are no cause of them."""
    if not targets:
        return []
    since, until = min(one.turn[0] for one in targets), targets[0].turn[1]
    resolved_at: Any = col(Alert.resolved_at)
    rows = await session.execute(
        select(col(Alert.agent_id), col(Alert.opened_at), resolved_at).where(
            col(Alert.source) != ALERT_SOURCE,
            col(Alert.severity_rank) > Severity.INFO.rank,
            col(Alert.opened_at) < until,
            resolved_at.is_(None) | (resolved_at > since),
        )
    )
    return [(row[0], (row[1], row[2] or until)) for row in rows]


def _up(target: _Watched, heard: Sequence[datetime]) -> list[Period]:
    """Return when the agent was heard of within the limit, and, where watched, when not.

    One that never reported is not down: whether it is up is unknown.
    """
    covered = joined(
        (max(at, target.turn[0]), min(at + ONLINE_WITHIN, target.turn[1])) for at in heard
    )
    good = [Period(*one, is_good=True) for one in covered]
    if not target.was_watched or not heard:
        return good
    return good + [Period(*one, is_good=False) for one in complement(covered, target.turn)]


def _alert_free(target: _Watched, alerts: Sequence[tuple[UUID | None, Interval]]) -> list[Period]:
    """Return when alerts were open and when none was, as far as somebody was watching."""
    if not target.was_watched:
        return []
    opened = joined(
        (max(period[0], target.turn[0]), min(period[1], target.turn[1]))
        for agent_id, period in alerts
        if target.agent_id in {None, agent_id} and overlap(period, target.turn)
    )
    bad = [Period(*one, is_good=False) for one in opened]
    return bad + [Period(*one, is_good=True) for one in complement(opened, target.turn)]
