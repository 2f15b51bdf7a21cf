"""How a tenant tuned its rules: other numbers, subjects that are left out, rules switched off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.detections.intake_models import DetectionRuleSettings
from hub.detections.models import RuleKind
from hub.detections.rule import Rule, RuleSettings, Threshold, thresholds_of
from hub.detections.rules import RULES
from hub.errors import InvalidInput
from hub.principal import Principal
from hub.text import check_text

MAX_IGNORED_SUBJECTS = 100
MAX_PATTERN_CHARACTERS = 300
_ROWS = DetectionRuleSettings.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """One rule as it works for a tenant."""

    rule: Rule[Any]
    settings: RuleSettings
    is_enabled: bool = True
    ignored_subjects: tuple[str, ...] = ()
    changed_by: str | None = None
    changed_at: datetime | None = None

    def ignores(self, subject: str) -> bool:
        """Tell whether the tenant wants to hear nothing about this subject."""
        return any(fnmatchcase(subject, pattern) for pattern in self.ignored_subjects)

    @property
    def thresholds(self) -> tuple[tuple[Threshold, int], ...]:
        """What may be tuned, each with its value."""
        return tuple(
            (one, getattr(self.settings, one.name)) for one in thresholds_of(self.rule.settings)
        )


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What is to be different; None leaves it as it is. A threshold of None is the default."""

    rule_kind: RuleKind
    is_enabled: bool | None = None
    thresholds: Mapping[str, int | None] | None = None
    ignored_subjects: Sequence[str] | None = None


async def rules_in_force(session: AsyncSession) -> dict[RuleKind, RuleInForce]:
    """Return all rules as they work for the tenant, in the order of their names."""
    rows = await session.scalars(select(DetectionRuleSettings))
    changed = {row.rule_kind: row for row in rows}
    return {kind: _in_force(rule, changed.get(kind)) for kind, rule in sorted(RULES.items())}


def _in_force(rule: Rule[Any], row: DetectionRuleSettings | None) -> RuleInForce:
    if row is None:
        return RuleInForce(rule, rule.settings())
    # What an older hub stored and this one does not know, or no longer allows, is the default.
    values = {
        one.name: value
        for one in thresholds_of(rule.settings)
        if isinstance(value := row.thresholds.get(one.name), int) and one.low <= value <= one.high
    }
    return RuleInForce(
        rule,
        rule.settings(**values),
        row.is_enabled,
        tuple(row.ignored_subjects),
        row.changed_by,
        row.changed_at,
    )


async def change_rule(
    session: AsyncSession,
    *,
    principal: Principal,
    change: RuleChange,
    now: datetime,
    request_id: str | None = None,
) -> RuleInForce:
    """Change how a rule works for the tenant, from the next event on. Detections stay."""
    statement = select(DetectionRuleSettings).where(
        col(DetectionRuleSettings.rule_kind) == change.rule_kind
    )
    row = await session.scalar(statement.with_for_update())
    before = _in_force(RULES[change.rule_kind], row)
    after = replace(_changed(before, change), changed_by=principal.label, changed_at=now)
    differences = _differences(before, after)
    if not differences:
        return before
    await _store(session, principal, after)
    event = AuditEvent.by(
        principal,
        EventType.DETECTION_RULE_CHANGED,
        details={"rule_kind": change.rule_kind.value, "changed": differences},
        request_id=request_id,
    )
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return after


def _changed(rule: RuleInForce, change: RuleChange) -> RuleInForce:
    ignored = rule.ignored_subjects
    if change.ignored_subjects is not None:
        ignored = _checked_patterns(change.ignored_subjects)
    is_enabled = rule.is_enabled if change.is_enabled is None else change.is_enabled
    values = _checked_thresholds(rule.rule, change.thresholds or {})
    return replace(
        rule,
        settings=replace(rule.settings, **values),
        is_enabled=is_enabled,
        ignored_subjects=ignored,
    )


def _checked_thresholds(rule: Rule[Any], wanted: Mapping[str, int | None]) -> dict[str, int]:
    known = {one.name: one for one in thresholds_of(rule.settings)}
    if unknown := sorted(set(wanted) - set(known)):
        raise InvalidInput(
            f"`thresholds` names {len(unknown)} that this rule does not have; it has"
            f" {', '.join(known)}.",
            field="thresholds",
        )
    values = {}
    for name, value in wanted.items():
        one = known[name]
        values[name] = one.default if value is None else value
        if not one.low <= values[name] <= one.high:
            raise InvalidInput(
                f"`thresholds`: {name} must be from {one.low} to {one.high} {one.unit}.",
                field="thresholds",
            )
    return values


def _checked_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    if len(patterns) > MAX_IGNORED_SUBJECTS:
        raise InvalidInput(
            f"`ignoredSubjects` may have at most {MAX_IGNORED_SUBJECTS} patterns.",
            field="ignoredSubjects",
        )
    cleaned = {
        check_text(one, field="ignoredSubjects", max_characters=MAX_PATTERN_CHARACTERS)
        for one in patterns
    }
    if "" in cleaned or any(set(one) == {"*"} for one in cleaned):
        raise InvalidInput(
            "`ignoredSubjects` must not be empty or match everything; switch the rule off instead.",
            field="ignoredSubjects",
        )
    return tuple(sorted(cleaned))


def _differences(before: RuleInForce, after: RuleInForce) -> dict[str, Any]:
    changed: dict[str, Any] = {
        one.name: [old, new]
        for (one, old), (_, new) in zip(before.thresholds, after.thresholds, strict=True)
        if old != new
    }
    if before.is_enabled != after.is_enabled:
        changed["is_enabled"] = [before.is_enabled, after.is_enabled]
    if before.ignored_subjects != after.ignored_subjects:
        changed["ignored_subjects"] = [
            list(before.ignored_subjects),
            list(after.ignored_subjects),
        ]
    return changed


async def _store(session: AsyncSession, principal: Principal, rule: RuleInForce) -> None:
    values = {
        "is_enabled": rule.is_enabled,
        "thresholds": {one.name: value for one, value in rule.thresholds if value != one.default},
        "ignored_subjects": list(rule.ignored_subjects),
        "changed_by": principal.label,
        "changed_at": rule.changed_at,
    }
    insert = postgresql.insert(_ROWS).values(
        tenant_id=principal.tenant_id, rule_kind=rule.rule.kind, **values
    )
    await session.execute(
        insert.on_conflict_do_update(index_elements=["tenant_id", "rule_kind"], set_=values)
    )
