"""What a rule must be: watchable, able to open, and above all able to be over again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.alerts.metrics import METRICS, MetricFacts, RuleMetric, RuleOperator, RuleTarget
from hub.alerts.models import AlertCategory
from hub.errors import InvalidInput
from hub.severity import Severity
from hub.text import check_text

MAX_NAME_CHARACTERS = 100
MAX_TAG_CHARACTERS = 200
MAX_AGENTS = 500
MAX_SECONDS = 7 * 86_400
MIN_SILENCE_SECONDS = 60
_MAX_FIGURE = 1e9
_STRICT = {RuleOperator.GTE, RuleOperator.LTE}


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """What somebody wants to be warned of."""

    name: str
    metric: RuleMetric
    operator: RuleOperator
    threshold: float
    severity: Severity
    duration_seconds: int = 0
    hysteresis: float = 0.0
    clear_seconds: int = 0
    category: AlertCategory | None = None  # that of the metric, unless said otherwise
    target: RuleTarget = RuleTarget.ALL
    agent_ids: Sequence[UUID] = ()
    tag: str | None = None
    is_enabled: bool = True

    def columns(self) -> dict[str, object]:
        """Return the rule's columns; raise InvalidInput when it cannot be one."""
        facts = _facts(self.metric)
        _check_times(self)
        _check_figures(self, facts)
        return {
            "name": _name(self.name),
            "metric": self.metric,
            "operator": self.operator,
            "threshold": self.threshold,
            "severity": self.severity,
            "duration_seconds": self.duration_seconds,
            "hysteresis": self.hysteresis,
            "clear_seconds": self.clear_seconds,
            "category": self.category or facts.category,
            "target": self.target,
            "agent_ids": _agents(self),
            "tag": _tag(self),
            "is_enabled": self.is_enabled,
        }


def _facts(metric: RuleMetric) -> MetricFacts:
    facts = METRICS.get(metric)
    if facts is None:
        raise InvalidInput(
            f"`metric` {metric.value} cannot be watched: no agent reports processes or containers"
            " to this hub, so the rule would never open. Choose one of "
            + ", ".join(one.value for one in METRICS)
            + ".",
            field="metric",
        )
    return facts


def _name(name: str) -> str:
    cleaned = check_text(name, field="name", max_characters=MAX_NAME_CHARACTERS)
    if not cleaned or not cleaned.isprintable():
        raise InvalidInput(
            f"`name` must be 1 to {MAX_NAME_CHARACTERS} printable characters.", field="name"
        )
    return cleaned


def _check_times(spec: RuleSpec) -> None:
    for field, seconds in (
        ("duration_seconds", spec.duration_seconds),
        ("clear_seconds", spec.clear_seconds),
    ):
        if not 0 <= seconds <= MAX_SECONDS:
            raise InvalidInput(f"`{field}` must be 0 to {MAX_SECONDS} (a week).", field=field)


def _check_figures(spec: RuleSpec, facts: MetricFacts) -> None:
    highest = facts.highest or _MAX_FIGURE
    if not math.isfinite(spec.threshold) or not 0 <= spec.threshold <= highest:
        raise InvalidInput(f"`threshold` must be 0 to {highest:g}.", field="threshold")
    if not math.isfinite(spec.hysteresis) or spec.hysteresis < 0:
        raise InvalidInput("`hysteresis` must be 0 or more.", field="hysteresis")
    if spec.hysteresis and not spec.operator.direction:
        raise InvalidInput(
            "`hysteresis` goes with the operators gt, gte, lt and lte; leave it out.",
            field="hysteresis",
        )
    if spec.metric is RuleMetric.AGENT_OFFLINE and (
        spec.operator.direction != 1 or spec.threshold < MIN_SILENCE_SECONDS
    ):
        raise InvalidInput(
            "`threshold` of agent_offline is seconds of silence: with the operator gt or gte, and"
            f" {MIN_SILENCE_SECONDS} or more, since hosts report every 15 to 60 seconds.",
            field="threshold",
        )
    _check_opens_and_ends(spec, highest)


def _check_opens_and_ends(spec: RuleSpec, highest: float) -> None:
    """Refuse a rule that can never open, and one whose alert would never be over."""
    direction, is_strict = spec.operator.direction, spec.operator in _STRICT
    if not direction:
        return
    edge = highest if direction > 0 else 0.0
    if spec.threshold == edge and not is_strict:
        raise InvalidInput(
            f"`threshold` {spec.threshold:g} is never crossed with {spec.operator.sign}.",
            field="threshold",
        )
    back = spec.threshold - direction * spec.hysteresis
    room = back if direction > 0 else highest - back
    if room < 0 or (room == 0 and is_strict):
        raise InvalidInput(
            f"`hysteresis` {spec.hysteresis:g} is too much: the value would have to come back to"
            f" {back:g}, which it cannot. Make it smaller, or change the threshold.",
            field="hysteresis",
        )


def _agents(spec: RuleSpec) -> list[UUID]:
    agents = list(dict.fromkeys(spec.agent_ids))
    if (spec.target is RuleTarget.AGENTS) is not bool(agents) or len(agents) > MAX_AGENTS:
        raise InvalidInput(
            f"`agents` names 1 to {MAX_AGENTS} hosts when `target` is agents, and none otherwise.",
            field="agents",
        )
    return agents


def _tag(spec: RuleSpec) -> str | None:
    tag = check_text(spec.tag or "", field="tag", max_characters=MAX_TAG_CHARACTERS) or None
    if (spec.target is RuleTarget.TAG) is not (tag is not None):
        raise InvalidInput(
            "`tag` names a tag such as env:prod when `target` is tag, and is left out otherwise.",
            field="tag",
        )
    if spec.metric is RuleMetric.TAG_OFFLINE_PCT and tag is None:
        raise InvalidInput(
            "`target` of tag_offline_pct must be tag, with the `tag` whose hosts are counted.",
            field="target",
        )
    return tag
