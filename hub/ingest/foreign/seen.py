"""What Falco and Wazuh saw: events for our rules where they read such, and alerts otherwise."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.detections.events import SecurityEvent
from hub.detections.intake import take_events_by_agent
from hub.ingest.foreign.door import Delivery
from hub.ingest.foreign.hosts import HostHint, UnknownHost, hint_of, hosts_of
from hub.ingest.foreign.observations import Observation, take_observations
from hub.ingest.foreign.outcome import Outcome
from hub.severity import Severity

MAX_ITEMS = 1_000
OLDEST = timedelta(days=30)
MAX_CLOCK_AHEAD = timedelta(minutes=5)
NO_HOST = (
    "It names no host, and this key has no default host; set one, or have the tool send the name."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One thing that a tool saw."""

    index: int
    source: str
    host: HostHint | None
    host_field: str  # how the tool calls it, for the refusal
    rule: str
    subject: str  # what it is about, besides rule and host: a file, an address, an account
    at: datetime
    severity: Severity
    title: str
    description: str
    event: SecurityEvent | None  # what our rules read of it, if they do


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request holds."""

    seen: Sequence[Seen]
    outcome: Outcome


def time_problem(at: datetime, now: datetime) -> str | None:
    """Say why nothing can be stored with this time, if so."""
    if at > now + MAX_CLOCK_AHEAD:
        return "It is more than 5 minutes ahead of the hub's clock; check the host's clock."
    if at < now - OLDEST:
        return f"It is more than {OLDEST.days} days ago."
    return None


async def store_seen(delivery: Delivery, batch: Batch) -> Outcome:
    """Store everything, each thing once."""
    outcome = batch.outcome
    placed = await _placed(delivery, batch)
    events: dict[UUID, list[Seen]] = defaultdict(list)
    for agent_id, seen in placed:
        if seen.event is not None:
            events[agent_id].append(seen)
    await _take(delivery, events, outcome)
    observations = [_observation(agent_id, seen) for agent_id, seen in placed if not seen.event]
    new = await take_observations(
        delivery.session,
        tenant_id=delivery.tenant_id,
        observations=observations,
        now=delivery.now,
    )
    outcome.accepted += new
    outcome.unchanged += len(observations) - new
    return outcome


async def _placed(delivery: Delivery, batch: Batch) -> list[tuple[UUID, Seen]]:
    """Return what has a host of ours; refuse the rest."""
    fallback = hint_of(delivery.key.default_host)
    hints = {one.index: one.host or fallback for one in batch.seen}
    hosts = await hosts_of(delivery, list(hints.values()))
    placed = []
    for one in batch.seen:
        hint = hints[one.index]
        host = UnknownHost(NO_HOST) if hint is None else hosts[hint]
        if isinstance(host, UnknownHost):
            batch.outcome.refuse(one.index, one.host_field, host.reason)
        else:
            placed.append((host, one))
    return placed


async def _take(delivery: Delivery, seen: Mapping[UUID, Sequence[Seen]], outcome: Outcome) -> None:
    events = {
        agent_id: [one.event for one in of_agent if one.event is not None]
        for agent_id, of_agent in seen.items()
    }
    by_agent = await take_events_by_agent(
        delivery.session, tenant_id=delivery.tenant_id, events=events, now=delivery.now
    )
    for agent_id, taken in by_agent.items():
        outcome.accepted += taken.new
        outcome.unchanged += taken.repeated
        index_by_id = {one.event.id: one.index for one in seen[agent_id] if one.event is not None}
        for refused in taken.refused:
            outcome.refuse(index_by_id.get(refused.id, 0), "item", refused.reason)


def _observation(agent_id: UUID, seen: Seen) -> Observation:
    return Observation(
        source=seen.source,
        rule=seen.rule,
        subject=seen.subject,
        agent_id=agent_id,
        at=seen.at,
        severity=seen.severity,
        title=seen.title,
        description=seen.description,
    )
