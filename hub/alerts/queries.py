"""Reads of the alerting domain. Each function is one SQL statement."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor
from hub.prepared import PreparedRead, Transaction, prepared_only
from hub.severity import Severity


class AlertRow(NamedTuple):
    """One alert with the name of its host: a tuple, because a page of them is made in each call."""

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


@cache
def _page_read(given: frozenset[str]) -> PreparedRead:
    """Return the page's statement with the filters that are given: the list asked for most."""
    by_name: dict[str, Any] = {
        # By its rank, which leads the index of the list.
        "severity_rank": col(Alert.severity_rank),
        "category": col(Alert.category),
        "agent_id": col(Alert.agent_id),
    }
    filters = [column == bindparam(name) for name, column in by_name.items() if name in given]
    filters.append(col(Alert.state) == AlertState.OPEN)
    order: tuple[Any, ...] = (col(Alert.severity_rank), col(Alert.opened_at), col(Alert.id))
    total = select(func.count()).select_from(Alert).where(*filters).scalar_subquery()
    statement: Select[*tuple[Any, ...]] = (
        select(*_COLUMNS, total.label("total"))
        .outerjoin(Agent, col(Agent.id) == col(Alert.agent_id))
        .where(*filters)
        .order_by(*(column.desc() for column in order))
        .limit(bindparam("limit", type_=Integer))
    )
    if "after" in given:
        key = [bindparam(f"after_{column.key}", type_=column.type) for column in order]
        statement = statement.where(tuple_(*order) < tuple_(*key))
    return PreparedRead(statement)


@prepared_only
async def alerts_page(
    session: Transaction,
    *,
    severity: Severity | None = None,
    category: AlertCategory | None = None,
    agent_id: UUID | None = None,
    first: int,
    after: str | None = None,
) -> Page[AlertRow]:
    """Return open alerts, worst and newest first, and how many match."""
    check_page_size(first)
    values: dict[str, object] = {}
    if severity is not None:
        values["severity_rank"] = severity.rank
    if category is not None:
        values["category"] = category
    if agent_id is not None:
        values["agent_id"] = agent_id
    given = frozenset({*values, "after"} if after is not None else values)
    if after is not None:
        rank, opened_at, identity = decode_cursor(ALERTS.name, after, int, datetime, UUID)
        values |= {
            "after_severity_rank": rank,
            "after_opened_at": opened_at,
            "after_id": identity,
        }
    rows = await _page_read(given).rows(session, limit=first + 1, **values)
    alerts = [AlertRow._make(row[:-1]) for row in rows]
    return Page.of(alerts, first=first, total=rows[0][-1] if rows else 0)


async def alert_by_id(session: AsyncSession, alert_id: UUID) -> AlertRow | None:
    """Return one alert, open or resolved; None when the tenant has none of this id."""
    rows = await session.execute(
        select(*_COLUMNS)
        .outerjoin(Agent, col(Agent.id) == col(Alert.agent_id))
        .where(col(Alert.id) == alert_id)
    )
    row = rows.one_or_none()
    return AlertRow._make(row) if row is not None else None


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
