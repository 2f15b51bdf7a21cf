"""GraphQL face of detection rules: how they work for the tenant, and changing that."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from hub.detections.models import RuleKind
from hub.detections.rule_settings import (
    MAX_IGNORED_SUBJECTS,
    RuleChange,
    RuleInForce,
    change_rule,
    rules_in_force,
)
from hub.principal import Permission
from hub.severity import Severity
from hub_schema import detection_enums
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, guarded_mutation, leaf, part

__all__ = [
    "ChangeDetectionRulePayload",
    "DetectionRuleMutation",
    "DetectionRuleQuery",
    "detection_enums",
]

_METADATA = EgressClass.DETECTION_METADATA


@strawberry.type(description="One number of a rule that a tenant may change.")
class DetectionThreshold:
    """Threshold, as clients see it."""

    name: str = leaf(_METADATA, "What it is called.")
    value: int = leaf(_METADATA, "What it is for this tenant.")
    default_value: int = leaf(_METADATA, "What it is unless changed.")
    lowest: int = leaf(_METADATA, "The lowest value that may be set.")
    highest: int = leaf(_METADATA, "The highest value that may be set.")
    unit: str = leaf(_METADATA, "What is counted: seconds, failures…")
    meaning: str = leaf(_METADATA, "What it decides.")


@strawberry.type(description="One rule that makes detections, as it works for this tenant.")
class DetectionRule:
    """Rule, as clients see it."""

    kind: RuleKind = leaf(_METADATA, "Which rule.")
    title: str = leaf(_METADATA, "The rule in a few words.")
    meaning: str = leaf(_METADATA, "Why it matters.")
    techniques: list[str] = leaf(_METADATA, "MITRE ATT&CK technique ids.")
    severity: Severity = leaf(_METADATA, "How bad it is as a rule.")
    next_steps: list[str] = leaf(_METADATA, "What a person checks, and by whom action is taken.")
    is_enabled: bool = leaf(_METADATA, "False when it makes no detections for this tenant.")
    thresholds: list[DetectionThreshold] = part("Its numbers.")
    ignored_subjects: list[str] = leaf(
        _METADATA, "Subjects it keeps silent about; `*` and `?` stand for any characters."
    )
    changed_by: str | None = leaf(EgressClass.PERSON, "Who changed it last; null when nobody did.")
    changed_at: datetime | None = leaf(EgressClass.TIME, "When; null when nobody did.")

    @classmethod
    def of(cls, row: RuleInForce) -> Self:
        """Shape one rule."""
        guidance = row.rule.guidance
        return cls(
            kind=row.rule.kind,
            title=guidance.title,
            meaning=row.rule.meaning,
            techniques=list(guidance.techniques),
            severity=guidance.severity,
            next_steps=list(guidance.next_steps),
            is_enabled=row.is_enabled,
            thresholds=[
                DetectionThreshold(
                    name=one.name,
                    value=value,
                    default_value=one.default,
                    lowest=one.low,
                    highest=one.high,
                    unit=one.unit,
                    meaning=one.meaning,
                )
                for one, value in row.thresholds
            ],
            ignored_subjects=list(row.ignored_subjects),
            changed_by=row.changed_by,
            changed_at=row.changed_at,
        )


@strawberry.input(description="One number of a rule.")
class DetectionThresholdInput:
    """A threshold to change."""

    name: str = strawberry.field(description="What it is called.")
    value: int | None = strawberry.field(description="What it is to be; null for the default.")


@strawberry.input(description="What is to be different about a rule; what is left out stays.")
class ChangeDetectionRuleInput:
    """Arguments of changeDetectionRule."""

    kind: RuleKind = strawberry.field(description="Which rule.")
    is_enabled: bool | None = strawberry.field(
        description="Whether it makes detections.", default=None
    )
    thresholds: list[DetectionThresholdInput] | None = strawberry.field(
        description="Only those that change.", default=None
    )
    ignored_subjects: list[str] | None = strawberry.field(
        description="The whole new list of subjects it keeps silent about, at most"
        f" {MAX_IGNORED_SUBJECTS}; `*` and `?` stand for any characters.",
        default=None,
    )


@strawberry.type(description="The rule after the change.")
class ChangeDetectionRulePayload:
    """Answer of changeDetectionRule."""

    rule: DetectionRule = part("The rule as it is now.")


@strawberry.type(name="Query")
class DetectionRuleQuery:
    """Rule field of the query root."""

    @guarded(Permission.DETECTIONS_READ, "All rules that make detections, by name.")
    async def detection_rules(self, info: Info) -> list[DetectionRule]:
        """Show each as it works for the tenant."""
        rules = await info.context.work.run(rules_in_force)
        return [DetectionRule.of(rule) for rule in rules.values()]


@strawberry.type(name="Mutation")
class DetectionRuleMutation:
    """Rule field of the mutation root."""

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Change how a rule works, from the next event on; detections that there are stay. Logged.",
    )
    async def change_detection_rule(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            ChangeDetectionRuleInput, strawberry.argument(description="Which, and what.")
        ],
    ) -> ChangeDetectionRulePayload:
        """Delegate, and show the rule afterwards."""
        context = info.context
        thresholds = None
        if input.thresholds is not None:
            thresholds = {one.name: one.value for one in input.thresholds}
        rule = await context.work.run(
            change_rule,
            principal=context.principal,
            change=RuleChange(input.kind, input.is_enabled, thresholds, input.ignored_subjects),
            now=context.now,
            request_id=context.request_id,
        )
        return ChangeDetectionRulePayload(rule=DetectionRule.of(rule))
