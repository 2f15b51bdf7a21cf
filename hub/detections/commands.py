"""Writes of detections: they are numbered when recorded, and people triage them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.detections.guidance import GUIDANCE
from hub.detections.models import (
    Detection,
    DetectionEvent,
    DetectionNumber,
    RuleKind,
)
from hub.detections.triage import (
    Triage,
    acknowledge_detection,
    reopen_detection,
    resolve_detection,
)
from hub.severity import Severity

__all__ = [
    "NewDetection",
    "NewEvent",
    "RecordedDetection",
    "Triage",
    "acknowledge_detection",
    "record_detection",
    "record_detections",
    "reopen_detection",
    "resolve_detection",
]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event that made a detection. `raw` is the host's own line; it stays inside the hub."""

    at: datetime
    summary: str
    source_address: str | None = None
    target_user: str | None = None
    raw: str | None = None
    id: UUID | None = None  # for events that may be stored again; else a new one


@dataclass(frozen=True, slots=True)
class NewDetection:
    """What a rule found. Severity and technique are the rule's own unless given."""

    agent_id: UUID
    rule_kind: RuleKind
    title: str
    first_seen_at: datetime
    last_seen_at: datetime
    events: Sequence[NewEvent] = ()
    description: str = ""
    subject: str = ""
    severity: Severity | None = None
    technique: str | None = None
    event_count: int | None = None  # when more happened than the events that are kept
    source_address: str | None = None
    target_user: str | None = None
    process_name: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedDetection:
    """What a new detection is called."""

    id: UUID
    number: str


async def record_detections(
    session: AsyncSession, *, tenant_id: UUID, detections: Sequence[NewDetection]
) -> list[RecordedDetection]:
    """Store open detections with their events; return their names in the order given."""
    years = [_year(detection) for detection in detections]
    # Years in one order, so that two writers cannot wait for each other.
    next_numbers = {
        year: await _allot(session, tenant_id=tenant_id, year=year, count=count)
        for year, count in sorted(Counter(years).items())
    }
    recorded = []
    for year in years:
        number = f"DEV-{year}-{next_numbers[year]:04}"
        recorded.append(RecordedDetection(id=uuid4(), number=number))
        next_numbers[year] += 1
    named = list(zip(detections, recorded, strict=True))
    rows = [_row(tenant_id, detection, name) for detection, name in named]
    if rows:
        await session.execute(insert(Detection), rows)
    await add_events(
        session,
        tenant_id=tenant_id,
        events=[(name.id, event) for detection, name in named for event in detection.events],
    )
    return recorded


async def add_events(
    session: AsyncSession, *, tenant_id: UUID, events: Sequence[tuple[UUID, NewEvent]]
) -> None:
    """Store events, each with the id of the detection that it is part of."""
    rows = [_event_row(tenant_id, detection_id, event) for detection_id, event in events]
    if rows:
        statement = postgresql.insert(DetectionEvent).on_conflict_do_nothing()
        await session.execute(statement, rows)


async def record_detection(
    session: AsyncSession, *, tenant_id: UUID, detection: NewDetection
) -> RecordedDetection:
    """Store one open detection with its events; return its name."""
    return (await record_detections(session, tenant_id=tenant_id, detections=[detection]))[0]


async def _allot(session: AsyncSession, *, tenant_id: UUID, year: int, count: int) -> int:
    """Return the first of `count` numbers that nobody else gets, by the row's lock."""
    statement = postgresql.insert(DetectionNumber).values(
        tenant_id=tenant_id, year=year, last_number=count
    )
    last = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "year"],
            set_={"last_number": col(DetectionNumber.last_number) + count},
        ).returning(col(DetectionNumber.last_number))
    )
    return int(last or 0) - count + 1


def _year(detection: NewDetection) -> int:
    return detection.first_seen_at.astimezone(UTC).year


def _row(tenant_id: UUID, detection: NewDetection, name: RecordedDetection) -> dict[str, Any]:
    guidance = GUIDANCE[detection.rule_kind]
    return {
        "tenant_id": tenant_id,
        "id": name.id,
        "number": name.number,
        "agent_id": detection.agent_id,
        "rule_kind": detection.rule_kind,
        "technique": detection.technique or ",".join(guidance.techniques),
        "severity": detection.severity or guidance.severity,
        "title": detection.title,
        "description": detection.description,
        "subject": detection.subject,
        "first_seen_at": detection.first_seen_at,
        "last_seen_at": detection.last_seen_at,
        "event_count": detection.event_count or max(len(detection.events), 1),
        "source_address": detection.source_address,
        "target_user": detection.target_user,
        "process_name": detection.process_name,
    }


def _event_row(tenant_id: UUID, detection_id: UUID, event: NewEvent) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": event.id or uuid4(),
        "detection_id": detection_id,
        "at": event.at,
        "summary": event.summary,
        "source_address": event.source_address,
        "target_user": event.target_user,
        "raw": event.raw,
    }
