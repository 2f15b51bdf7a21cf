"""Events of hosts come in, whoever saw them, and become detections.

The same events lead to the same detections in whatever order they come, however they are cut into
calls and however often they are sent. One host's events are taken by one transaction at a time.
Call it late in a transaction: whoever takes events of the same host waits until that ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.detections.baselines import take_turn
from hub.detections.evaluation import Turn, evaluate
from hub.detections.event_store import NamedEvent, named, store_events
from hub.detections.events import SecurityEvent
from hub.detections.rule_settings import rules_in_force

_EVENTS_AT_ONCE = 10_000
# As long as an event is kept its id is known; an older one would be new again, so it is refused.
KEEP_EVENTS = timedelta(days=30)
MAX_CLOCK_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that was not taken, and why; sending it again does not help."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TakenEvents:
    """What became of the events of one call."""

    new: int = 0
    repeated: int = 0  # known before, or twice in this call; they changed nothing
    refused: tuple[RefusedEvent, ...] = ()


async def take_events(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    events: Sequence[SecurityEvent],
    now: datetime,
) -> TakenEvents:
    """Store events of one host and bring its detections up to date.

    For events of several hosts in one transaction call `take_events_by_agent`: two transactions
    that took them one by one, in different orders, would wait for each other.
    """
    taken = await take_events_by_agent(
        session, tenant_id=tenant_id, events={agent_id: events}, now=now
    )
    return taken.get(agent_id, TakenEvents())


async def take_events_by_agent(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    events: Mapping[UUID, Sequence[SecurityEvent]],
    now: datetime,
) -> dict[UUID, TakenEvents]:
    """Store events of several hosts and bring their detections up to date."""
    by_agent = {agent_id: events[agent_id] for agent_id in sorted(events) if events[agent_id]}
    if not by_agent:
        return {}
    starts = await take_turn(session, tenant_id=tenant_id, agent_ids=by_agent, now=now)
    rules = await rules_in_force(session)
    taken = {}
    for agent_id, of_agent in by_agent.items():
        turn = Turn(tenant_id, agent_id, starts[agent_id], rules, now)
        taken[agent_id] = await _take(session, turn, of_agent)
    return taken


async def _take(session: AsyncSession, turn: Turn, events: Sequence[SecurityEvent]) -> TakenEvents:
    refused = _refused(events, turn.now)
    unfit = {one.id for one in refused}
    fit = _in_order(named(turn.agent_id, event) for event in events if event.id not in unfit)
    new = 0
    for some in batched(fit, _EVENTS_AT_ONCE):
        stored = await store_events(
            session, tenant_id=turn.tenant_id, agent_id=turn.agent_id, events=some, now=turn.now
        )
        new += len(stored)
        await evaluate(session, turn, [one for one in some if one.id in stored])
    return TakenEvents(new=new, repeated=len(events) - len(refused) - new, refused=refused)


def _in_order(events: Iterable[NamedEvent]) -> list[NamedEvent]:
    """Return each event once, in the order in which they happened."""
    once = {one.id: one for one in events}
    return sorted(once.values(), key=lambda one: (one.event.at, one.id))


def _refused(events: Iterable[SecurityEvent], now: datetime) -> tuple[RefusedEvent, ...]:
    oldest, newest = now - KEEP_EVENTS, now + MAX_CLOCK_AHEAD
    return tuple(
        RefusedEvent(
            event.id,
            f"It is older than {KEEP_EVENTS.days} days."
            if event.at < oldest
            else "It is more than 5 minutes ahead of the hub's clock; set the host's clock (NTP).",
        )
        for event in events
        if not oldest <= event.at <= newest
    )
