"""Whether an agent is online: decided by when it was last heard of."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, or_
from sqlmodel import col

from hub.fleet.models import Agent

ONLINE_WITHIN = timedelta(seconds=90)


class AgentStatus(StrEnum):
    """Whether an agent reports."""

    ONLINE = "online"
    OFFLINE = "offline"


class AgentStatusFilter(StrEnum):
    """Which agents a list shows."""

    ONLINE = "online"
    OFFLINE = "offline"
    ALL = "all"


def status_at(last_seen_at: datetime | None, now: datetime) -> AgentStatus:
    """Return the status of an agent that was last heard of then."""
    if last_seen_at is not None and last_seen_at > now - ONLINE_WITHIN:
        return AgentStatus.ONLINE
    return AgentStatus.OFFLINE


def is_online(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an agent is online; of one that never reported it is unknown."""
    return col(Agent.last_seen_at) > now - ONLINE_WITHIN


def is_in_service() -> ColumnElement[bool]:
    """Return the condition that a server was not retired: those that were count nowhere."""
    return col(Agent.retired_at).is_(None)


def has_status(status: AgentStatusFilter, now: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions of a list of servers in service that shows this status."""
    if status is AgentStatusFilter.ALL:
        return [is_in_service()]
    if status is AgentStatusFilter.ONLINE:
        return [is_in_service(), is_online(now)]
    last_seen_at = col(Agent.last_seen_at)
    return [is_in_service(), or_(last_seen_at.is_(None), last_seen_at <= now - ONLINE_WITHIN)]
