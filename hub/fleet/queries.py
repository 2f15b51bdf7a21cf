"""Reads of the fleet. Each function is one SQL statement."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.errors import InvalidInput, NotFound
from hub.fleet.models import Agent, AgentLatest
from hub.fleet.status import AgentStatusFilter, has_status, is_in_service
from hub.paging import Page, check_page_size, counted_page, decode_cursor, encode_cursor
from hub.text import check_text, is_storable

_MAX_TAGS = 20


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent with its newest figures and how many alerts are open on it."""

    id: UUID
    name: str
    tags: Sequence[str]
    os_name: str
    os_version: str
    kernel_release: str
    architecture: str
    cpu_count: int | None
    memory_bytes: int | None
    addresses: Sequence[str]
    agent_version: str
    enrolled_at: datetime
    last_seen_at: datetime | None
    measured_at: datetime | None
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    load1: float | None
    load5: float | None
    load15: float | None
    open_alert_count: int


class AGENTS:
    """The list's order: by name, which is unique in a tenant."""

    name = "agents"

    @classmethod
    def cursor_at(cls, agent_name: str) -> str:
        """Return the cursor after this agent."""
        return encode_cursor(cls.name, agent_name)


async def agent_id_of(session: AsyncSession, name_or_id: str) -> UUID:
    """Return the id of the agent that has this name or id; raise NotFound when none does."""
    statement = select(col(Agent.id)).where(_is_named(name_or_id)).order_by(_by_name(name_or_id))
    agent_id = await session.scalar(statement.limit(1))
    if agent_id is None:
        raise _no_such_agent()
    return agent_id


async def agent_by_name(session: AsyncSession, name_or_id: str) -> AgentRow:
    """Return the agent that has this name or id; raise NotFound when none does."""
    named = _agents().where(_is_named(name_or_id))
    statement = named.order_by(_by_name(name_or_id)).limit(1)
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise _no_such_agent()
    return AgentRow(**row)


async def agents_by_name(session: AsyncSession, names: Collection[str]) -> dict[str, AgentRow]:
    """Return the agents that have these names, by name; other names are left out."""
    statement = _agents().where(col(Agent.name).in_(sorted(set(names))))
    return {row["name"]: AgentRow(**row) for row in (await session.execute(statement)).mappings()}


async def agents_page(
    session: AsyncSession,
    *,
    now: datetime,
    tags: Sequence[str] = (),
    status: AgentStatusFilter = AgentStatusFilter.ALL,
    search: str | None = None,
    first: int,
    after: str | None = None,
) -> Page[AgentRow]:
    """Return agents by name, and how many match."""
    check_page_size(first)
    filters = has_status(status, now)
    if tags:
        filters.append(_has_tags(tags))
    if search is not None:
        filters.append(_mentions(search))
    total = select(func.count()).select_from(Agent).where(*filters).scalar_subquery()
    statement = (
        _agents()
        .add_columns(total.label("total"))
        .where(*filters)
        .order_by(col(Agent.name))
        .limit(first + 1)
    )
    if after is not None:
        (name,) = decode_cursor(AGENTS.name, after, str)
        statement = statement.where(col(Agent.name) > name)
    rows = (await session.execute(statement)).mappings().all()
    return counted_page(AgentRow, rows, first=first)


async def agents_gone_silent(
    session: AsyncSession, *, since: datetime, until: datetime
) -> list[UUID]:
    """Return the agents that were last heard of in this period, after `since` and up to `until`."""
    last_seen_at = col(Agent.last_seen_at)
    found = await session.scalars(
        select(col(Agent.id)).where(is_in_service(), last_seen_at > since, last_seen_at <= until)
    )
    return list(found)


async def disks_by_agent(
    session: AsyncSession, agent_ids: Collection[UUID]
) -> dict[UUID, list[dict[str, Any]]]:
    """Return the file systems of agents, fullest first, as they were last reported."""
    rows = await session.execute(
        select(col(AgentLatest.agent_id), col(AgentLatest.details)["disks"]).where(
            col(AgentLatest.agent_id).in_(agent_ids)
        )
    )
    return {
        agent_id: sorted(disks or [], key=lambda disk: disk["used_percent"], reverse=True)
        for agent_id, disks in rows
    }


def _agents() -> Select[*tuple[Any, ...]]:
    """Return the statement of agents with their latest figures and open alerts counted."""
    open_alerts = (
        select(func.count())
        .select_from(Alert)
        .where(col(Alert.agent_id) == col(Agent.id), col(Alert.state) == AlertState.OPEN)
        .scalar_subquery()
    )
    return select(
        *(getattr(Agent, name) for name in _AGENT_COLUMNS),
        col(AgentLatest.at).label("measured_at"),
        *(getattr(AgentLatest, name) for name in _LATEST_COLUMNS),
        open_alerts.label("open_alert_count"),
    ).outerjoin(AgentLatest, col(AgentLatest.agent_id) == col(Agent.id))


_AGENT_COLUMNS = (
    "id",
    "name",
    "tags",
    "os_name",
    "os_version",
    "kernel_release",
    "architecture",
    "cpu_count",
    "memory_bytes",
    "addresses",
    "agent_version",
    "enrolled_at",
    "last_seen_at",
)
_LATEST_COLUMNS = ("cpu_percent", "memory_percent", "disk_percent", "load1", "load5", "load15")


def _is_named(name_or_id: str) -> ColumnElement[bool]:
    if not is_storable(name_or_id):
        raise _no_such_agent()
    matches = [col(Agent.name) == name_or_id]
    with suppress(ValueError):  # a name, then
        matches.append(col(Agent.id) == UUID(name_or_id))
    return or_(*matches)


def _by_name(name_or_id: str) -> ColumnElement[bool]:
    """Put the agent that has this id first: hosts choose their names, and no id."""
    return col(Agent.name) == name_or_id


def _has_tags(tags: Sequence[str]) -> ColumnElement[bool]:
    if len(tags) > _MAX_TAGS:
        raise InvalidInput(f"`tags` may name at most {_MAX_TAGS} tags.", field="tags")
    wanted = [check_text(tag, field="tags", max_characters=200) for tag in tags]
    return col(Agent.tags).op("@>", is_comparison=True)(literal(wanted, ARRAY(Text)))


def _mentions(search: str) -> ColumnElement[bool]:
    """Return the condition that name, system or an address holds the text, in any case."""
    text = check_text(search, field="search", max_characters=200)
    addresses = func.array_to_string(col(Agent.addresses), " ")
    return or_(
        *(
            place.icontains(text, autoescape=True)
            for place in (col(Agent.name), col(Agent.os_name), addresses)
        )
    )


def _no_such_agent() -> NotFound:
    return NotFound(
        "No agent has this name or id; monsys_list_agents shows the names.", field="agent"
    )
