"""How an alert of a rule is worded."""

from datetime import datetime
from uuid import UUID

from hub.alerts.commands import NewAlert
from hub.alerts.metrics import METRICS
from hub.alerts.rule_models import AlertRule

ALERT_SOURCE = "rule"
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def fingerprint_of(rule_id: UUID, agent_id: UUID | None) -> str:
    """Return what makes two alerts of a rule the same one."""
    return f"rule:{rule_id}:{agent_id or 'fleet'}"


def alert_of(rule: AlertRule, agent_id: UUID | None, value: float, now: datetime) -> NewAlert:
    """Return the alert that a rule opens."""
    return NewAlert(
        fingerprint=fingerprint_of(rule.id, agent_id),
        category=rule.category,
        severity=rule.severity,
        title=rule.name,
        description=_description(rule, value),
        agent_id=agent_id,
        rule_id=rule.id,
        source=ALERT_SOURCE,
        opened_at=now,
    )


def duration_words(seconds: int) -> str:
    """Return a duration in its largest whole unit: 90 s, 5 min, 1 h."""
    size, unit = next(one for one in _UNITS if seconds % one[0] == 0)
    return f"{seconds // size} {unit}"


def _description(rule: AlertRule, value: float) -> str:
    facts = METRICS[rule.metric]
    limit = f"{rule.operator.sign} {rule.threshold:g}{facts.unit}"
    lasting = f" for {duration_words(rule.duration_seconds)}" if rule.duration_seconds else ""
    return f"{facts.words}: {value:.4g}{facts.unit}. The rule warns at {limit}{lasting}."
