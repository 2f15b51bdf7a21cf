"""Writes of alert rules. Each is audited, and what it ends is over at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.evaluation import resolve_stateless
from hub.alerts.metrics import RuleTarget
from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_checks import RuleSpec
from hub.alerts.rule_models import AlertRule, AlertRuleState
from hub.alerts.templates import install_templates
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.constraints import unless_taken
from hub.errors import Conflict, NotFound
from hub.fleet.models import Agent
from hub.principal import Principal

MAX_RULES = 200
_UNIQUE_NAME = "uq_alert_rules_tenant_id_name"
# Another question was asked before: where the rule stood with it says nothing about the new one.
_ANOTHER_QUESTION = {"metric", "operator"}
_SHOWN = ("name", "metric", "operator", "threshold", "severity", "target", "is_enabled")


async def create_rule(
    session: AsyncSession,
    *,
    principal: Principal,
    spec: RuleSpec,
    now: datetime,
    request_id: str | None = None,
) -> UUID:
    """Make a rule; it is evaluated with the next turn."""
    columns = spec.columns()
    await _check_agents(session, spec)
    await _check_room(session, 1)
    made: UUID | None = await session.scalar(
        postgresql.insert(AlertRule)
        .values(
            tenant_id=principal.tenant_id,
            id=uuid4(),
            created_by=principal.label,
            created_at=now,
            updated_at=now,
            **columns,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        .returning(col(AlertRule.id))
    )
    if made is None:
        raise _name_is_taken()
    event = _event(EventType.ALERT_RULE_CREATED, principal, made, columns, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return made


async def install_rules(
    session: AsyncSession,
    *,
    principal: Principal,
    templates: Sequence[str],
    now: datetime,
    request_id: str | None = None,
) -> list[AlertRule]:
    """Make the rules of templates; return those that were not there yet."""
    await _check_room(session, len(templates))
    made = await install_templates(
        session,
        tenant_id=principal.tenant_id,
        keys=templates,
        actor=principal.label,
        at=now,
    )
    events = [
        _event(EventType.ALERT_RULE_CREATED, principal, rule.id, rule.model_dump(), request_id)
        for rule in made
    ]
    await append_events(session, tenant_id=principal.tenant_id, events=events, at=now)
    return made


async def update_rule(
    session: AsyncSession,
    *,
    principal: Principal,
    rule_id: UUID,
    changes: dict[str, Any],
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Change a rule. Its open alerts stay, unless it asks another question or is switched off."""
    rule = await _locked(session, rule_id)
    spec = RuleSpec(**(_spec_of(rule) | changes))
    columns = spec.columns()
    if "agent_ids" in changes:
        await _check_agents(session, spec)
    changed = {name: value for name, value in columns.items() if getattr(rule, name) != value}
    if not changed:
        return
    await _store(session, rule_id, changed | {"updated_at": now})
    if _ANOTHER_QUESTION & changed.keys() or not spec.is_enabled:
        await _forget(session, rule_id, now)
    await _reword(session, rule_id, changed)
    event = _event(EventType.ALERT_RULE_UPDATED, principal, rule_id, columns, request_id)
    event.details["changed"] = sorted(changed)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


async def delete_rule(
    session: AsyncSession,
    *,
    principal: Principal,
    rule_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Delete a rule; its open alerts are over, and those of the past stay."""
    rule = await _locked(session, rule_id)
    await _forget(session, rule_id, now)
    await session.execute(
        delete(AlertRule).where(col(AlertRule.id) == rule_id),
        execution_options={"synchronize_session": False},
    )
    event = _event(EventType.ALERT_RULE_DELETED, principal, rule_id, rule.model_dump(), request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


async def _locked(session: AsyncSession, rule_id: UUID) -> AlertRule:
    rule = await session.scalar(
        select(AlertRule).where(col(AlertRule.id) == rule_id).with_for_update()
    )
    if rule is None:
        raise no_such_rule()
    return rule


async def _store(session: AsyncSession, rule_id: UUID, values: dict[str, Any]) -> None:
    statement = update(AlertRule).where(col(AlertRule.id) == rule_id).values(**values)
    async with unless_taken(session, _UNIQUE_NAME, _name_is_taken):
        await session.execute(statement, execution_options={"synchronize_session": False})


def _spec_of(rule: AlertRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in RuleSpec.__dataclass_fields__}


async def _forget(session: AsyncSession, rule_id: UUID, now: datetime) -> None:
    """Let the rule stand nowhere, and its alerts be over."""
    await session.execute(
        delete(AlertRuleState).where(col(AlertRuleState.rule_id) == rule_id),
        execution_options={"synchronize_session": False},
    )
    await resolve_stateless(session, now=now, rule_ids=[rule_id])


async def _reword(session: AsyncSession, rule_id: UUID, changed: dict[str, Any]) -> None:
    """Let open alerts take the rule's new name, severity and category."""
    names = {"name": "title", "severity": "severity", "category": "category"}
    words = {names[name]: value for name, value in changed.items() if name in names}
    if words:
        await session.execute(
            update(Alert)
            .where(col(Alert.rule_id) == rule_id, col(Alert.state) == AlertState.OPEN)
            .values(words),
            execution_options={"synchronize_session": False},
        )


async def _check_agents(session: AsyncSession, spec: RuleSpec) -> None:
    if spec.target is not RuleTarget.AGENTS:
        return
    wanted = set(spec.agent_ids)
    found = await session.scalar(select(func.count(col(Agent.id))).where(col(Agent.id).in_(wanted)))
    if found != len(wanted):
        raise NotFound("`agents` names a host that this tenant does not have.", field="agents")


async def _check_room(session: AsyncSession, count: int) -> None:
    there = await session.scalar(select(func.count(col(AlertRule.id))))
    if (there or 0) + count > MAX_RULES:
        raise Conflict(
            f"A tenant has at most {MAX_RULES} rules; delete some, or let one rule watch a tag."
        )


def no_such_rule() -> NotFound:
    """Return the refusal of an id that no rule has."""
    return NotFound("No alert rule has this id.", field="id")


def _name_is_taken() -> Conflict:
    return Conflict("`name` is that of another rule; choose another.", field="name")


def _event(
    event_type: EventType,
    principal: Principal,
    rule_id: UUID,
    columns: dict[str, Any],
    request_id: str | None,
) -> AuditEvent:
    return AuditEvent.by(
        principal,
        event_type,
        details={"rule": str(rule_id)} | {name: columns[name] for name in _SHOWN},
        request_id=request_id,
    )
