"""What each rule means, and what a person would check. Written by us; nothing is generated."""

from hub.detections.models import RuleKind
from hub.detections.rule import WHO_ACTS, Guidance
from hub.detections.rules import RULES

__all__ = ["GUIDANCE", "WHO_ACTS", "Guidance"]

GUIDANCE: dict[RuleKind, Guidance] = {kind: rule.guidance for kind, rule in RULES.items()}
