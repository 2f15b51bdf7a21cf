"""Which agents a rule is about, which of them are heard, and which are in maintenance: as SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, any_, case, exists, func, or_
from sqlmodel import col

from hub.alerts.metrics import RuleTarget
from hub.alerts.rule_models import AlertRule, MaintenanceWindow
from hub.fleet.models import Agent, AgentLatest
from hub.fleet.status import ONLINE_WITHIN


def is_targeted() -> ColumnElement[bool]:
    """Return the condition that the rule is about the agent; retired ones are nobody's."""
    return and_(
        col(Agent.retired_at).is_(None),
        or_(
            col(AlertRule.target) == RuleTarget.ALL,
            and_(
                col(AlertRule.target) == RuleTarget.AGENTS,
                col(Agent.id) == any_(col(AlertRule.agent_ids)),
            ),
            and_(
                col(AlertRule.target) == RuleTarget.TAG, col(AlertRule.tag) == any_(col(Agent.tags))
            ),
        ),
    )


def heard_at() -> ColumnElement[Any]:
    """Return when an agent last reported.

    A host that is only known from other tools is seen when they speak of it, which is no report;
    it reports when it sends figures.
    """
    return case((col(Agent.is_enrolled), col(Agent.last_seen_at)), else_=col(AgentLatest.at))


def is_silent(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an agent reported once, and no longer does."""
    return heard_at() <= now - ONLINE_WITHIN


def is_in_maintenance(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a window covers the agent."""
    window = MaintenanceWindow
    return exists().where(
        *_is_now(now),
        or_(
            col(window.agent_id) == col(Agent.id),
            col(window.tag) == any_(col(Agent.tags)),
            and_(col(window.agent_id).is_(None), col(window.tag).is_(None)),
        ),
    )


def all_in_maintenance(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a window covers the whole tenant."""
    window = MaintenanceWindow
    return exists().where(*_is_now(now), col(window.agent_id).is_(None), col(window.tag).is_(None))


def _is_now(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (col(MaintenanceWindow.starts_at) <= now, col(MaintenanceWindow.ends_at) > now)


def seconds_since(at: ColumnElement[Any], now: datetime) -> ColumnElement[float]:
    """Return how long ago a moment was, never less than nothing."""
    return func.greatest(func.extract("epoch", now - at), 0)
