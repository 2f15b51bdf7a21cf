"""What the rules of a tenant read: one statement for all hosts, one for the fleet.

The database compares; only what matters comes back: readings that breach a rule, and those of
subjects that are not all right. Of 10,000 healthy hosts under ten rules that is nothing at all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Uuid, and_, case, cast, func, null, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.metrics import METRICS, RuleMetric, RuleOperator
from hub.alerts.models import Alert
from hub.alerts.rule_models import AlertRule, AlertRuleState
from hub.alerts.state_machine import Phase, State
from hub.alerts.targets import (
    all_in_maintenance,
    heard_at,
    is_in_maintenance,
    is_silent,
    is_targeted,
    seconds_since,
)
from hub.fleet.models import Agent, AgentLatest
from hub.fleet.status import ONLINE_WITHIN
from hub.severity import Severity

# Older figures say nothing about now. File systems fill slowly, and some tools report them rarely.
_FRESH, _FRESH_DISK = ONLINE_WITHIN, timedelta(minutes=5)
_CRITICAL_WITHIN = timedelta(minutes=15)
_FLEET = [metric for metric, facts in METRICS.items() if facts.is_fleet]
_FIGURES: dict[RuleMetric, Any] = {
    RuleMetric.CPU_PCT: AgentLatest.cpu_percent,
    RuleMetric.MEM_PCT: AgentLatest.memory_percent,
    RuleMetric.LOAD_AVG: AgentLatest.load1,
    RuleMetric.NETWORK_RX_MBPS: AgentLatest.rx_mbps,
    RuleMetric.NETWORK_TX_MBPS: AgentLatest.tx_mbps,
}


type States = dict[tuple[UUID, UUID], State]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule reads of one subject, and where it stood with it. No value: no data."""

    rule_id: UUID
    agent_id: UUID | None
    value: float | None
    state: State | None
    in_maintenance: bool

    @property
    def subject_id(self) -> UUID:
        """The agent, or the rule where it is about the fleet."""
        return self.agent_id or self.rule_id


async def agent_readings(
    session: AsyncSession, *, known: States, now: datetime, watched_since: datetime
) -> list[Reading]:
    """Return the readings of hosts that breach a rule, or stand otherwise than all right."""
    pairs = (
        select(
            col(AlertRule.id).label("rule_id"),
            col(AlertRule.operator),
            col(AlertRule.threshold),
            col(Agent.id).label("agent_id"),
            _agent_value(now, watched_since).label("value"),
            is_in_maintenance(now).label("in_maintenance"),
        )
        .select_from(AlertRule)
        .join(Agent, is_targeted())
        .outerjoin(AgentLatest, col(AgentLatest.agent_id) == col(Agent.id))
        .where(col(AlertRule.is_enabled), col(AlertRule.metric).not_in(_FLEET))
        .subquery()
    )
    return await _readings(session, pairs, known)


async def fleet_readings(
    session: AsyncSession, *, known: States, now: datetime, watched_since: datetime
) -> list[Reading]:
    """Return the readings of the fleet that breach a rule, or stand otherwise than all right."""
    rules = (
        select(
            col(AlertRule.id).label("rule_id"),
            col(AlertRule.operator),
            col(AlertRule.threshold),
            cast(null(), Uuid).label("agent_id"),
            _fleet_value(now, watched_since).label("value"),
            all_in_maintenance(now).label("in_maintenance"),
        )
        .where(col(AlertRule.is_enabled), col(AlertRule.metric).in_(_FLEET))
        .subquery()
    )
    return await _readings(session, rules, known)


async def states(session: AsyncSession) -> States:
    """Return where rules stand with what is not all right, by rule and subject."""
    rows = await session.execute(
        select(
            col(AlertRuleState.rule_id),
            col(AlertRuleState.subject_id),
            col(AlertRuleState.phase),
            col(AlertRuleState.since),
            col(AlertRuleState.seen_at),
        )
    )
    return {
        (rule_id, subject_id): State(Phase(phase), since, seen_at)
        for rule_id, subject_id, phase, since, seen_at in rows
    }


async def _readings(session: AsyncSession, pairs: Any, known: States) -> list[Reading]:
    subject = func.coalesce(pairs.c.agent_id, pairs.c.rule_id)
    # As a set that the database hashes, and not as a join: how many states there are changes
    # faster than its statistics do.
    has_state = tuple_(pairs.c.rule_id, subject).in_(
        select(col(AlertRuleState.rule_id), col(AlertRuleState.subject_id))
    )
    rows = await session.execute(
        select(pairs.c.rule_id, pairs.c.agent_id, pairs.c.value, pairs.c.in_maintenance).where(
            or_(_is_breached(pairs), has_state)
        )
    )
    return [
        Reading(rule_id, agent_id, value, known.get((rule_id, agent_id or rule_id)), is_in)
        for rule_id, agent_id, value, is_in in rows
    ]


def _is_breached(pairs: Any) -> ColumnElement[bool]:
    """Return what `Condition.is_breached` tells, for the database to decide."""
    compared: Any = pairs.c
    return or_(
        *(
            and_(compared.operator == one, _holds(one, compared.value, compared.threshold))
            for one in RuleOperator
        )
    )


def _holds(operator: RuleOperator, value: Any, threshold: Any) -> Any:
    return operator.holds(value, threshold)


def _agent_value(now: datetime, watched_since: datetime) -> ColumnElement[float]:
    silence: ColumnElement[Any] = seconds_since(heard_at(), now)
    if now - watched_since < ONLINE_WITHIN:
        # The hub was away: who has not been heard since then may have been talking all the time.
        silence = case((heard_at() >= watched_since, silence))
    fresh, fresh_disk = (col(AgentLatest.at) > now - age for age in (_FRESH, _FRESH_DISK))
    return case(
        (col(AlertRule.metric) == RuleMetric.AGENT_OFFLINE, cast(silence, Float)),
        (
            col(AlertRule.metric) == RuleMetric.DISK_PCT,
            case((fresh_disk, col(AgentLatest.disk_percent))),
        ),
        *(
            (col(AlertRule.metric) == metric, case((fresh, col(figure))))
            for metric, figure in _FIGURES.items()
        ),
    )


def _fleet_value(now: datetime, watched_since: datetime) -> ColumnElement[float]:
    silent = func.count().filter(is_silent(now))
    critical = (
        select(func.count())
        .select_from(Alert)
        .join(Agent, col(Agent.id) == col(Alert.agent_id))
        .where(
            is_targeted(),
            ~is_in_maintenance(now),
            col(Alert.severity_rank) == Severity.CRITICAL.rank,
            col(Alert.opened_at) > now - _CRITICAL_WITHIN,
        )
        .correlate(AlertRule)
        .scalar_subquery()
    )
    values: list[Any] = [
        (col(AlertRule.metric) == RuleMetric.FLEET_CRITICAL_ALERTS, cast(critical, Float))
    ]
    if now - watched_since >= ONLINE_WITHIN:
        share = 100.0 * silent / func.nullif(func.count(heard_at()), 0)
        values += [
            (
                col(AlertRule.metric) == RuleMetric.FLEET_OFFLINE_COUNT,
                cast(_of_hosts(silent, now), Float),
            ),
            (
                col(AlertRule.metric) == RuleMetric.TAG_OFFLINE_PCT,
                cast(_of_hosts(share, now), Float),
            ),
        ]
    return case(*values)


def _of_hosts(figure: ColumnElement[Any], now: datetime) -> Any:
    """Return a figure over the hosts of the rule, without those in maintenance."""
    return (
        select(figure)
        .select_from(Agent)
        .outerjoin(AgentLatest, col(AgentLatest.agent_id) == col(Agent.id))
        .where(is_targeted(), ~is_in_maintenance(now))
        .correlate(AlertRule)
        .scalar_subquery()
    )
