"""What stands around a detection: its events and history, and detections that belong with it."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from hub.detections.models import Detection, DetectionAction, DetectionEvent, DetectionHistory
from hub.detections.queries import DETECTION_COLUMNS, DetectionRow
from hub.fleet.models import Agent

MAX_EVENTS = 50
MAX_HISTORY = 50
MAX_NEIGHBOURS = 10
RELATED_WITHIN = timedelta(hours=24)
SIMILAR_WITHIN = timedelta(days=30)


class Relation(StrEnum):
    """What two detections have in common."""

    SAME_ADDRESS = "same_address"
    SAME_AGENT = "same_agent"
    SAME_RULE = "same_rule"
    SAME_USER = "same_user"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a detection, without the host's own line."""

    id: UUID
    at: datetime
    summary: str
    source_address: str | None
    target_user: str | None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One thing that a person did to a detection."""

    id: UUID
    action: DetectionAction
    at: datetime
    user_label: str
    via: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another detection, and what it has in common with the one asked about."""

    detection: DetectionRow
    relations: tuple[Relation, ...]


async def events_by_detection(
    session: AsyncSession, detection_ids: Collection[UUID]
) -> dict[UUID, list[EventRow]]:
    """Return the newest events of detections, oldest of them first, MAX_EVENTS of each."""
    event = DetectionEvent
    newest: list[Any] = [col(event.at).desc(), col(event.id).desc()]
    place = func.row_number().over(partition_by=col(event.detection_id), order_by=newest)
    ranked = (
        select(
            col(event.detection_id),
            col(event.id),
            col(event.at),
            col(event.summary),
            col(event.source_address),
            col(event.target_user),
            place.label("place"),
        )
        .where(col(event.detection_id).in_(detection_ids))
        .subquery()
    )
    rows = await session.execute(
        select(ranked).where(ranked.c.place <= MAX_EVENTS).order_by(ranked.c.place.desc())
    )
    by_detection: dict[UUID, list[EventRow]] = defaultdict(list)
    for detection_id, *columns, _place in rows:
        by_detection[detection_id].append(EventRow(*columns))
    return by_detection


async def raw_lines_by_event(
    session: AsyncSession, event_ids: Collection[UUID]
) -> dict[UUID, str | None]:
    """Return the hosts' own lines; a query apart, so nothing else ever reads them."""
    rows = await session.execute(
        select(col(DetectionEvent.id), col(DetectionEvent.raw)).where(
            col(DetectionEvent.id).in_(event_ids)
        )
    )
    return {row.id: row.raw for row in rows}


async def notes_by_detection(
    session: AsyncSession, detection_ids: Collection[UUID]
) -> dict[UUID, str | None]:
    """Return what people wrote when they acknowledged; a query apart, as with the raw lines."""
    rows = await session.execute(
        select(col(Detection.id), col(Detection.acknowledged_note)).where(
            col(Detection.id).in_(detection_ids)
        )
    )
    return {row.id: row.acknowledged_note for row in rows}


async def histories_by_detection(
    session: AsyncSession, detection_ids: Collection[UUID]
) -> dict[UUID, list[HistoryRow]]:
    """Return what people did last to detections, newest first, MAX_HISTORY of each."""
    entry = DetectionHistory
    newest: list[Any] = [col(entry.at).desc(), col(entry.id).desc()]
    place = func.row_number().over(partition_by=col(entry.detection_id), order_by=newest)
    ranked = (
        select(
            col(entry.detection_id),
            col(entry.id),
            col(entry.action),
            col(entry.at),
            col(entry.user_label),
            col(entry.via),
            col(entry.note),
            place.label("place"),
        )
        .where(col(entry.detection_id).in_(detection_ids))
        .subquery()
    )
    rows = await session.execute(
        select(ranked).where(ranked.c.place <= MAX_HISTORY).order_by(ranked.c.place)
    )
    by_detection: dict[UUID, list[HistoryRow]] = defaultdict(list)
    for detection_id, *columns, _place in rows:
        by_detection[detection_id].append(HistoryRow(*columns))
    return by_detection


async def related_detections(
    session: AsyncSession, detection_ids: Collection[UUID]
) -> dict[UUID, list[Neighbour]]:
    """Return detections of the same agent, address or user, a day before to a day after."""
    subject = aliased(Detection)
    relations = {
        Relation.SAME_AGENT: col(Detection.agent_id) == subject.agent_id,
        Relation.SAME_ADDRESS: col(Detection.source_address) == subject.source_address,
        Relation.SAME_USER: col(Detection.target_user) == subject.target_user,
    }
    is_near = and_(
        col(Detection.last_seen_at) >= subject.first_seen_at - RELATED_WITHIN,
        col(Detection.last_seen_at) <= subject.last_seen_at + RELATED_WITHIN,
        or_(*relations.values()),
    )
    return await _neighbours(session, detection_ids, subject, relations, is_near)


async def similar_detections(
    session: AsyncSession, detection_ids: Collection[UUID]
) -> dict[UUID, list[Neighbour]]:
    """Return detections of the same rule elsewhere, or of the same address or user.

    A month before and after; those that `related_detections` returns are left out, so nobody
    reads them twice.
    """
    subject = aliased(Detection)
    relations = {
        Relation.SAME_RULE: and_(
            col(Detection.rule_kind) == subject.rule_kind,
            col(Detection.agent_id) != subject.agent_id,
        ),
        Relation.SAME_ADDRESS: col(Detection.source_address) == subject.source_address,
        Relation.SAME_USER: col(Detection.target_user) == subject.target_user,
    }
    is_related = and_(
        col(Detection.last_seen_at) >= subject.first_seen_at - RELATED_WITHIN,
        col(Detection.last_seen_at) <= subject.last_seen_at + RELATED_WITHIN,
        or_(
            # What is unknown has nothing in common with anything.
            func.coalesce(relations[Relation.SAME_ADDRESS], False),
            func.coalesce(relations[Relation.SAME_USER], False),
        ),
    )
    is_similar = and_(
        col(Detection.last_seen_at) >= subject.last_seen_at - SIMILAR_WITHIN,
        col(Detection.last_seen_at) <= subject.last_seen_at + SIMILAR_WITHIN,
        or_(*relations.values()),
        ~is_related,
    )
    return await _neighbours(session, detection_ids, subject, relations, is_similar)


async def _neighbours(
    session: AsyncSession,
    detection_ids: Collection[UUID],
    subject: type[Detection],
    relations: dict[Relation, ColumnElement[bool]],
    condition: ColumnElement[bool],
) -> dict[UUID, list[Neighbour]]:
    """Return, for each detection, the newest others that meet the condition about it."""
    # Hosts are joined after the limit: a common rule has thousands of detections.
    found = (
        select(
            *DETECTION_COLUMNS[:-1],
            *(func.coalesce(holds, False).label(relation) for relation, holds in relations.items()),
        )
        .where(col(Detection.id) != subject.id, condition)
        .order_by(col(Detection.last_seen_at).desc(), col(Detection.id).desc())
        .limit(MAX_NEIGHBOURS)
        .correlate(subject)
        .lateral("found")
    )
    rows = await session.execute(
        select(col(subject.id).label("subject_id"), found, col(Agent.name).label("agent_name"))
        .select_from(subject)
        .join(found, true())
        .join(Agent, col(Agent.id) == found.c.agent_id)
        .where(col(subject.id).in_(detection_ids))
        .order_by(found.c.last_seen_at.desc(), found.c.id.desc())
    )
    names = [column.key for column in DETECTION_COLUMNS]
    by_detection: dict[UUID, list[Neighbour]] = defaultdict(list)
    for row in rows.mappings():
        by_detection[row["subject_id"]].append(
            Neighbour(
                DetectionRow(**{name: row[name] for name in names}),
                tuple(relation for relation in relations if row[relation]),
            )
        )
    return by_detection
