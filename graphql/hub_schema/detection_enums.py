"""Enums of detections, each value described; importing the module puts them into the schema."""

from hub.detections.context import Relation
from hub.detections.guidance import GUIDANCE
from hub.detections.models import DetectionAction, DetectionState, RuleKind
from hub.detections.queries import AckFilter
from hub_schema.enums import describe

describe(
    DetectionState,
    "Where a detection stands.",
    {
        DetectionState.OPEN: "Nobody has looked at it yet, or it was opened again.",
        DetectionState.ACKNOWLEDGED: "A person investigated it and closed it.",
        DetectionState.RESOLVED: "It was dealt with.",
    },
)
describe(
    DetectionAction,
    "What a person did to a detection.",
    {
        DetectionAction.ACKNOWLEDGED: "Closed it after investigation.",
        DetectionAction.REOPENED: "Opened it again.",
        DetectionAction.RESOLVED: "Marked it as dealt with.",
    },
)
describe(
    AckFilter,
    "Which detections a list shows.",
    {
        AckFilter.OPEN: "Those that nobody has acknowledged.",
        AckFilter.ACKNOWLEDGED: "Those that are acknowledged or resolved.",
        AckFilter.ALL: "All of them.",
    },
)
describe(
    Relation,
    "What two detections have in common.",
    {
        Relation.SAME_ADDRESS: "They came from the same address.",
        Relation.SAME_AGENT: "They happened on the same host.",
        Relation.SAME_RULE: "The same rule fired, on another host.",
        Relation.SAME_USER: "They concern the same account.",
    },
    name="DetectionRelation",
)
describe(
    RuleKind,
    "What a detection is about; one rule each.",
    {kind: f"{guidance.title}." for kind, guidance in GUIDANCE.items()},
)
