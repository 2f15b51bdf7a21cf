"""Reads of the alerting domain. Each function is one SQL statement."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, counted_page, decode_cursor, encode_cursor
from hub.severity import Severity


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert with the name of its host."""

    id: UUID
    title: str
    description: str
    severity: Severity
    category: AlertCategory
    state: AlertState
    opened_at: datetime
    resolved_at: datetime | None
    agent_id: UUID | None
    agent_name: str | None


class ALERTS:
    """The list's order: worst first, then newest, then id."""

    name = "alerts"

    @classmethod
    def cursor_at(cls, severity: Severity, opened_at: datetime, identity: UUID) -> str:
        """Return the cursor after this alert."""
        return encode_cursor(cls.name, severity.rank, opened_at, identity)


_COLUMNS: tuple[Any, ...] = (
    col(Alert.id),
    col(Alert.title),
    col(Alert.description),
    col(Alert.severity),
    col(Alert.category),
    col(Alert.state),
    col(Alert.opened_at),
    col(Alert.resolved_at),
    col(Alert.agent_id),
    col(Agent.name).label("agent_name"),
)
MAX_ALERTS_AN_AGENT = 20


async def alerts_page(
    session: AsyncSession,
    *,
    severity: Severity | None = None,
    category: AlertCategory | None = None,
    agent_id: UUID | None = None,
    first: int,
    after: str | None = None,
) -> Page[AlertRow]:
    """Return open alerts, worst and newest first, and how many match."""
    check_page_size(first)
    filters = [col(Alert.state) == AlertState.OPEN]
    if severity is not None:
        filters.append(col(Alert.severity) == severity)
    if category is not None:
        filters.append(col(Alert.category) == category)
    if agent_id is not None:
        filters.append(col(Alert.agent_id) == agent_id)
    order = (col(Alert.severity_rank), col(Alert.opened_at), col(Alert.id))
    total = select(func.count()).select_from(Alert).where(*filters).scalar_subquery()
    statement: Select[*tuple[Any, ...]] = (
        select(*_COLUMNS, total.label("total"))
        .outerjoin(Agent, col(Agent.id) == col(Alert.agent_id))
        .where(*filters)
        .order_by(*(column.desc() for column in order))
        .limit(first + 1)
    )
    if after is not None:
        key = decode_cursor(ALERTS.name, after, int, datetime, UUID)
        statement = statement.where(tuple_(*order) < key)
    rows = (await session.execute(statement)).mappings().all()
    return counted_page(AlertRow, rows, first=first)


async def open_alerts_by_agent(
    session: AsyncSession, agent_ids: Collection[UUID]
) -> dict[UUID, list[AlertRow]]:
    """Return the open alerts of agents, worst and newest first, MAX_ALERTS_AN_AGENT of each."""
    order: list[Any] = [
        col(Alert.severity_rank).desc(),
        col(Alert.opened_at).desc(),
        col(Alert.id).desc(),
    ]
    place = func.row_number().over(partition_by=col(Alert.agent_id), order_by=order)
    ranked = (
        select(*_COLUMNS, place.label("place"))
        .join(Agent, col(Agent.id) == col(Alert.agent_id))
        .where(col(Alert.state) == AlertState.OPEN, col(Alert.agent_id).in_(agent_ids))
        .subquery()
    )
    columns = [ranked.c[column.key] for column in _COLUMNS]
    statement = (
        select(*columns).where(ranked.c.place <= MAX_ALERTS_AN_AGENT).order_by(ranked.c.place)
    )
    by_agent: dict[UUID, list[AlertRow]] = defaultdict(list)
    for row in (await session.execute(statement)).mappings():
        by_agent[row["agent_id"]].append(AlertRow(**row))
    return by_agent
