"""Reads of detections. Each function is one SQL statement."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.detections.identity import is_named, no_such_detection
from hub.detections.models import Detection, DetectionState, RuleKind
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, counted_page, decode_cursor, encode_cursor
from hub.severity import Severity

MAX_DETECTIONS_AN_AGENT = 20


class AckFilter(StrEnum):
    """Which detections a list shows."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class DetectionRow:
    """One detection with the name of its host."""

    id: UUID
    number: str
    rule_kind: RuleKind
    technique: str
    severity: Severity
    title: str
    description: str
    subject: str
    first_seen_at: datetime
    last_seen_at: datetime
    event_count: int
    source_address: str | None
    target_user: str | None
    process_name: str | None
    state: DetectionState
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    acknowledged_via: str | None
    agent_id: UUID
    agent_name: str


DETECTION_COLUMNS: tuple[Any, ...] = (
    *(getattr(Detection, field.name) for field in fields(DetectionRow)[:-1]),
    col(Agent.name).label("agent_name"),
)


class DETECTIONS:
    """The list's order: newest first, then id."""

    name = "detections"

    @classmethod
    def cursor_at(cls, last_seen_at: datetime, identity: UUID) -> str:
        """Return the cursor after this detection."""
        return encode_cursor(cls.name, last_seen_at, identity)


async def detections_page(
    session: AsyncSession,
    *,
    since: datetime,
    ack: AckFilter = AckFilter.ALL,
    severity: Severity | None = None,
    rule_kind: RuleKind | None = None,
    agent_id: UUID | None = None,
    first: int,
    after: str | None = None,
) -> Page[DetectionRow]:
    """Return detections that were seen since then, newest first, and how many match."""
    check_page_size(first)
    filters = [col(Detection.last_seen_at) >= since, *_acknowledged(ack)]
    wanted = {"severity": severity, "rule_kind": rule_kind, "agent_id": agent_id}
    filters += [
        getattr(Detection, name) == value for name, value in wanted.items() if value is not None
    ]
    order = (col(Detection.last_seen_at), col(Detection.id))
    total = select(func.count()).select_from(Detection).where(*filters).scalar_subquery()
    statement = (
        detections_with_agents()
        .add_columns(total.label("total"))
        .where(*filters)
        .order_by(*(column.desc() for column in order))
        .limit(first + 1)
    )
    if after is not None:
        key = decode_cursor(DETECTIONS.name, after, datetime, UUID)
        statement = statement.where(tuple_(*order) < key)
    rows = (await session.execute(statement)).mappings().all()
    return counted_page(DetectionRow, rows, first=first)


async def detection_by_name(session: AsyncSession, name: str) -> DetectionRow:
    """Return the detection with this number or id; raise NotFound when there is none."""
    statement = detections_with_agents().where(is_named(name))
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise no_such_detection()
    return DetectionRow(**row)


async def open_detections_by_agent(
    session: AsyncSession, agent_ids: Collection[UUID]
) -> dict[UUID, list[DetectionRow]]:
    """Return the open detections of agents, newest first, MAX_DETECTIONS_AN_AGENT of each."""
    order: list[Any] = [col(Detection.last_seen_at).desc(), col(Detection.id).desc()]
    place = func.row_number().over(partition_by=col(Detection.agent_id), order_by=order)
    ranked = (
        detections_with_agents()
        .add_columns(place.label("place"))
        .where(col(Detection.state) == DetectionState.OPEN, col(Detection.agent_id).in_(agent_ids))
        .subquery()
    )
    columns = [ranked.c[column.key] for column in DETECTION_COLUMNS]
    statement = (
        select(*columns).where(ranked.c.place <= MAX_DETECTIONS_AN_AGENT).order_by(ranked.c.place)
    )
    by_agent: dict[UUID, list[DetectionRow]] = defaultdict(list)
    for row in (await session.execute(statement)).mappings():
        by_agent[row["agent_id"]].append(DetectionRow(**row))
    return by_agent


def detections_with_agents() -> Select[*tuple[Any, ...]]:
    """Return the statement of detections with the names of their hosts."""
    return select(*DETECTION_COLUMNS).join(Agent, col(Agent.id) == col(Detection.agent_id))


def _acknowledged(ack: AckFilter) -> list[ColumnElement[bool]]:
    if ack is AckFilter.ALL:
        return []
    is_open = col(Detection.state) == DetectionState.OPEN
    return [is_open if ack is AckFilter.OPEN else ~is_open]
