"""The rules of a tenant meet its figures: alerts open and are resolved.

An alert of a rule is open exactly as long as the rule's state with its subject is firing or
clearing. The last statement of a turn sees to that for every alert, so whatever made a state go
away (a rule that was switched off, a host that was retired or lost its tag) ends the alert as well.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, case, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import Alert, AlertState
from hub.alerts.readings import Reading, agent_readings, fleet_readings, states
from hub.alerts.rule_models import AlertRule, AlertRuleState, AlertWatch
from hub.alerts.rule_words import alert_of
from hub.alerts.state_machine import Action, Condition, Phase, State, step
from hub.fleet.array_rows import array_rows

_WATCHES = AlertWatch.__table__  # type: ignore[attr-defined]
_STATES = AlertRuleState.__table__  # type: ignore[attr-defined]
# After a longer break nobody was watching, and silence says nothing.
_LONGEST_BREAK = timedelta(minutes=2)
_AT_ONCE = 2000
_OPEN_PHASES = [phase for phase in Phase if phase.is_open]


@dataclass(slots=True)
class Turn:
    """What one evaluation decided."""

    opened: list[NewAlert] = field(default_factory=list)
    stored: list[tuple[Reading, State]] = field(default_factory=list)
    over: set[tuple[UUID, UUID]] = field(default_factory=set)
    resolved: int = 0


async def evaluate_rules(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> Turn | None:
    """Evaluate every rule of the tenant; None when somebody evaluated them for later already.

    Two evaluators of one tenant take turns by the lock of its watch.
    """
    watched_since = await _watched_since(session, tenant_id=tenant_id, now=now)
    if watched_since is None:
        return None
    rules = {
        rule.id: rule
        for rule in await session.scalars(select(AlertRule).where(col(AlertRule.is_enabled)))
    }
    known = await states(session)
    told: dict[str, Any] = {"known": known, "now": now, "watched_since": watched_since}
    readings = [*await agent_readings(session, **told), *await fleet_readings(session, **told)]
    turn = await _decided(rules, readings, now)
    # Hosts that are gone or no rule's any more, and rules that were switched off, are not read.
    turn.over |= known.keys() - {(one.rule_id, one.subject_id) for one in readings}
    await _store_states(session, tenant_id=tenant_id, turn=turn)
    turn.resolved = await resolve_stateless(session, now=now)
    if turn.opened:
        await record_alerts(session, tenant_id=tenant_id, alerts=turn.opened)
    return turn


async def resolve_stateless(
    session: AsyncSession, *, now: datetime, rule_ids: Collection[UUID] | None = None
) -> int:
    """Resolve the alerts of rules that are firing no longer; return how many there were."""
    subject = func.coalesce(col(Alert.agent_id), col(Alert.rule_id))
    statement = update(Alert).where(
        col(Alert.state) == AlertState.OPEN,
        col(Alert.rule_id).is_not(None),
        tuple_(col(Alert.rule_id), subject).not_in(
            select(col(AlertRuleState.rule_id), col(AlertRuleState.subject_id)).where(
                col(AlertRuleState.phase).in_(_OPEN_PHASES)
            )
        ),
    )
    if rule_ids is not None:
        statement = statement.where(col(Alert.rule_id).in_(rule_ids))
    resolved = await session.scalars(
        statement.values(
            state=AlertState.RESOLVED, resolved_at=func.greatest(now, col(Alert.opened_at))
        ).returning(col(Alert.id)),
        execution_options={"synchronize_session": False},
    )
    return len(resolved.all())


async def _watched_since(
    session: AsyncSession, *, tenant_id: UUID, now: datetime
) -> datetime | None:
    """Take the tenant's turn; return since when the hub has been watching without a break."""
    statement = postgresql.insert(_WATCHES).values(
        tenant_id=tenant_id, watched_since=now, evaluated_at=now
    )
    row = _WATCHES.c
    has_paused = row.evaluated_at < now - _LONGEST_BREAK
    since: datetime | None = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["tenant_id"],
            set_={
                "evaluated_at": now,
                "watched_since": case((has_paused, now), else_=row.watched_since),
            },
            where=row.evaluated_at < now,
        ).returning(row.watched_since)
    )
    return since


async def _decided(
    rules: dict[UUID, AlertRule], readings: Iterable[Reading], now: datetime
) -> Turn:
    conditions = {rule.id: condition_of(rule) for rule in rules.values()}
    turn = Turn()
    for number, reading in enumerate(readings, start=1):
        # A rule that was made between two statements waits for the next turn.
        if condition := conditions.get(reading.rule_id):
            _decide(turn, rules[reading.rule_id], condition, reading, now)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)  # requests are answered meanwhile
    return turn


def _decide(
    turn: Turn, rule: AlertRule, condition: Condition, reading: Reading, now: datetime
) -> None:
    after = step(
        condition, reading.state, reading.value, now, in_maintenance=reading.in_maintenance
    )
    if after.state is None:
        if reading.state is not None:
            turn.over.add((reading.rule_id, reading.subject_id))
    elif after.state is not reading.state:
        turn.stored.append((reading, after.state))
    if after.action is Action.OPEN and reading.value is not None:
        turn.opened.append(alert_of(rule, reading.agent_id, reading.value, now))


def condition_of(rule: AlertRule) -> Condition:
    """Return what the state machine needs to know of a rule."""
    return Condition(
        operator=rule.operator,
        threshold=rule.threshold,
        duration=timedelta(seconds=rule.duration_seconds),
        hysteresis=rule.hysteresis,
        clear_duration=timedelta(seconds=rule.clear_seconds),
    )


async def _store_states(session: AsyncSession, *, tenant_id: UUID, turn: Turn) -> None:
    key: dict[str, Any] = {"rule_id": Uuid(), "subject_id": Uuid()}
    if turn.over:
        over = array_rows("over", key, sorted(turn.over))
        await session.execute(
            delete(_STATES).where(
                _STATES.c.rule_id == over.c.rule_id, _STATES.c.subject_id == over.c.subject_id
            )
        )
    if not turn.stored:
        return
    instant = DateTime(timezone=True)
    rows = array_rows(
        "rows",
        {"tenant_id": Uuid()} | key | {"phase": Text(), "since": instant, "seen_at": instant},
        [
            (tenant_id, one.rule_id, one.subject_id, state.phase.value, state.since, state.seen_at)
            for one, state in turn.stored
        ],
    )
    names = [column.key for column in rows.c]
    statement = postgresql.insert(_STATES).from_select(names, select(*rows.c))
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "rule_id", "subject_id"],
            set_={name: statement.excluded[name] for name in ("phase", "since", "seen_at")},
        )
    )
