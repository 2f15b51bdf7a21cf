"""Events of the same host, address or account around a detection, whatever they became."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from hub.detections.context import Relation
from hub.detections.events import EventKind
from hub.detections.intake_models import StoredEvent
from hub.detections.models import Detection
from hub.fleet.models import Agent

EVENTS_WITHIN = timedelta(hours=1)
MAX_RELATED_EVENTS = 50


@dataclass(frozen=True, slots=True)
class RelatedEvent:
    """One event near a detection, without the host's own line."""

    id: UUID
    at: datetime
    kind: EventKind
    summary: str
    source_address: str | None
    target_user: str | None
    process_name: str | None
    path: str | None
    agent_name: str
    relations: tuple[Relation, ...] = ()


_COLUMNS: tuple[Any, ...] = (
    col(StoredEvent.id),
    col(StoredEvent.at),
    col(StoredEvent.kind),
    col(StoredEvent.summary),
    col(StoredEvent.source_address),
    col(StoredEvent.target_user),
    col(StoredEvent.process_name),
    col(StoredEvent.path),
    col(StoredEvent.agent_id),
)


async def related_events(
    session: AsyncSession, detection_ids: Collection[UUID]
) -> dict[UUID, list[RelatedEvent]]:
    """Return events from an hour before to an hour after, newest first, MAX_RELATED_EVENTS."""
    rows = await session.execute(related_events_statement(detection_ids))
    found: dict[UUID, dict[UUID, RelatedEvent]] = defaultdict(dict)
    for subject_id, relation, *columns in rows:
        event = found[subject_id].setdefault(columns[0], RelatedEvent(*columns))
        relations = (*event.relations, Relation(relation))
        found[subject_id][event.id] = replace(event, relations=relations)
    return {
        subject_id: sorted(events.values(), key=lambda one: (one.at, one.id), reverse=True)[
            :MAX_RELATED_EVENTS
        ]
        for subject_id, events in found.items()
    }


def related_events_statement(detection_ids: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    """Return the statement: one walk along an index for each of the three relations.

    As one condition with OR it would be a scan of everything in the window.
    """
    subject = aliased(Detection)
    found = union_all(
        _related(subject, Relation.SAME_AGENT, StoredEvent.agent_id, subject.agent_id),
        _related(
            subject, Relation.SAME_ADDRESS, StoredEvent.source_address, subject.source_address
        ),
        _related(subject, Relation.SAME_USER, StoredEvent.target_user, subject.target_user),
    ).lateral("found")
    columns = [found.c[column.key] for column in _COLUMNS[:-1]]
    return (
        select(col(subject.id), found.c.relation, *columns, col(Agent.name))
        .select_from(subject)
        .join(found, true())
        .join(Agent, col(Agent.id) == found.c.agent_id)
        .where(col(subject.id).in_(detection_ids))
        .order_by(found.c.relation)
    )


def _related(subject: type[Detection], relation: Relation, column: Any, value: Any) -> Any:
    newest = (
        select(literal(relation.value).label("relation"), *_COLUMNS)
        .where(
            col(StoredEvent.tenant_id) == subject.tenant_id,
            column == value,
            col(StoredEvent.at) >= subject.first_seen_at - EVENTS_WITHIN,
            col(StoredEvent.at) <= subject.last_seen_at + EVENTS_WITHIN,
        )
        .order_by(col(StoredEvent.at).desc())
        .limit(MAX_RELATED_EVENTS)
        .correlate(subject)
    )
    return select(newest.subquery())


async def raw_lines_by_stored_event(
    session: AsyncSession, event_ids: Collection[UUID]
) -> dict[UUID, str | None]:
    """Return the hosts' own lines; a query apart, so nothing else ever reads them."""
    rows = await session.execute(
        select(col(StoredEvent.id), col(StoredEvent.raw)).where(col(StoredEvent.id).in_(event_ids))
    )
    return {row.id: row.raw for row in rows}
