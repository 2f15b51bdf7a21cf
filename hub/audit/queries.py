"""Reads of the audit trail. Each function is one SQL statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.events import EventType
from hub.audit.models import AuditRow
from hub.errors import InvalidInput
from hub.paging import Page, check_page_size, counted_page, decode_cursor, encode_cursor

MAX_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the trail."""

    seq: int
    at: datetime
    event_type: str
    actor: str
    actor_kind: str
    user_id: UUID | None
    outcome: str
    details: dict[str, Any]
    body: str | None
    request_id: str | None


class AUDIT:
    """The list's order: newest first; within one moment, the later row first."""

    name = "audit"

    @classmethod
    def cursor_at(cls, row: AuditEntry) -> str:
        """Return the cursor after this row."""
        return encode_cursor(cls.name, row.at, row.seq)


def event_type_of(text: str) -> EventType:
    """Return the event type of this name, or say which names there are."""
    try:
        return EventType(text.strip().lower())
    except ValueError as error:
        known = ", ".join(sorted(EventType))
        raise InvalidInput(f"`event_type` must be one of: {known}.", field="event_type") from error


async def audit_page(
    session: AsyncSession,
    *,
    event_type: EventType | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    first: int,
    after: str | None = None,
) -> Page[AuditEntry]:
    """Return rows of the trail, newest first; the total is counted up to `MAX_COUNTED`.

    `actor` is the beginning of a name in any case; `until` is the first moment left out.
    """
    check_page_size(first)
    filters = []
    if event_type is not None:
        filters.append(col(AuditRow.event_type) == event_type.value)
    if actor is not None:
        filters.append(col(AuditRow.actor).istartswith(actor.strip(), autoescape=True))
    if since is not None:
        filters.append(col(AuditRow.at) >= since)
    if until is not None:
        filters.append(col(AuditRow.at) < until)
    # A trail grows without end: counting all of it would cost more than the page.
    counted = select(col(AuditRow.seq)).where(*filters).limit(MAX_COUNTED).subquery()
    total = select(func.count()).select_from(counted).scalar_subquery()
    order = (col(AuditRow.at), col(AuditRow.seq))
    statement: Select[*tuple[Any, ...]] = (
        select(
            col(AuditRow.seq),
            col(AuditRow.at),
            col(AuditRow.event_type),
            col(AuditRow.actor),
            col(AuditRow.actor_kind),
            col(AuditRow.user_id),
            col(AuditRow.outcome),
            col(AuditRow.details),
            col(AuditRow.body),
            col(AuditRow.request_id),
            total.label("total"),
        )
        .where(*filters)
        .order_by(*(column.desc() for column in order))
        .limit(first + 1)
    )
    if after is not None:
        key = decode_cursor(AUDIT.name, after, datetime, int)
        statement = statement.where(tuple_(*order) < key)
    rows = (await session.execute(statement)).mappings().all()
    return counted_page(AuditEntry, rows, first=first)
