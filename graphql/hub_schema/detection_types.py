"""GraphQL types of detections: one detection, and what stands around it."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from hub.detections.context import (
    MAX_EVENTS,
    MAX_HISTORY,
    MAX_NEIGHBOURS,
    EventRow,
    HistoryRow,
    Neighbour,
    Relation,
    events_by_detection,
    histories_by_detection,
    notes_by_detection,
    raw_lines_by_event,
    related_detections,
    similar_detections,
)
from hub.detections.guidance import GUIDANCE
from hub.detections.models import DetectionAction, DetectionState, RuleKind
from hub.detections.queries import DetectionRow
from hub.detections.related_events import MAX_RELATED_EVENTS, related_events
from hub.severity import Severity
from hub_schema import detection_enums
from hub_schema.context import Info
from hub_schema.directives import EgressClass, leaf, part
from hub_schema.related_events import RelatedEventType

__all__ = ["DetectionType", "detection_enums"]

_METADATA = EgressClass.DETECTION_METADATA


@strawberry.type(name="DetectionEvent", description="One event that made a detection.")
class DetectionEventType:
    """Event, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the event in this tenant.")
    at: datetime = leaf(EgressClass.TIME, "When it happened.")
    summary: str = leaf(_METADATA, "What happened, in a sentence.")
    source_address: str | None = leaf(_METADATA, "From which address; null when from none.")
    target_user: str | None = leaf(_METADATA, "Which account; null when it is about none.")

    @leaf(EgressClass.AGENT_RAW, "The host's own line; null when it was not kept.")
    async def raw(self, info: Info) -> str | None:
        """Load the lines only for those who ask: they are long, and stay inside the hub."""
        return await info.context.load(raw_lines_by_event, self.id)

    @classmethod
    def of(cls, row: EventRow) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            at=row.at,
            summary=row.summary,
            source_address=row.source_address,
            target_user=row.target_user,
        )


@strawberry.type(
    name="DetectionHistoryEntry", description="One thing that a person did to a detection."
)
class DetectionHistoryEntryType:
    """Entry of the history, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the entry in this tenant.")
    action: DetectionAction = leaf(_METADATA, "What was done.")
    at: datetime = leaf(EgressClass.TIME, "When.")
    by: str = leaf(EgressClass.PERSON, "Who did it.")
    via: str = leaf(EgressClass.AUDIT_METADATA, "By which door: session or connector.")
    note: str | None = leaf(EgressClass.AUDIT_BODY, "What the person wrote; null when nothing.")

    @classmethod
    def of(cls, row: HistoryRow) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            action=row.action,
            at=row.at,
            by=row.user_label,
            via=row.via,
            note=row.note,
        )


@strawberry.type(
    name="Detection",
    description="A security event that a person should look at: one rule that fired on one host.",
)
class DetectionType:
    """Detection, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the detection in this tenant.")
    number: str = leaf(EgressClass.IDENTIFIER, "What people call it, as `DEV-2026-0441`.")
    rule_kind: RuleKind = leaf(_METADATA, "Which rule fired.")
    rule_title: str = leaf(_METADATA, "The rule in a few words.")
    techniques: list[str] = leaf(_METADATA, "MITRE ATT&CK technique ids.")
    severity: Severity = leaf(_METADATA, "How bad it is.")
    title: str = leaf(_METADATA, "What happened, in a few words.")
    description: str = leaf(_METADATA, "What happened.")
    subject: str = leaf(_METADATA, "What the rule grouped its events by; empty for the host.")
    agent_name: str = leaf(EgressClass.HOST_IDENTITY, "Name of the host concerned.")
    first_seen_at: datetime = leaf(EgressClass.TIME, "When its first event happened.")
    last_seen_at: datetime = leaf(EgressClass.TIME, "When its last event happened.")
    event_count: int = leaf(EgressClass.COUNT, "How many events there were.")
    source_address: str | None = leaf(_METADATA, "From which address; null when from none.")
    target_user: str | None = leaf(_METADATA, "Which account; null when it is about none.")
    process_name: str | None = leaf(_METADATA, "Which program; null when it is about none.")
    state: DetectionState = leaf(_METADATA, "Where it stands.")
    acknowledged_by: str | None = leaf(
        EgressClass.PERSON, "Who acknowledged it; null while it is open."
    )
    acknowledged_at: datetime | None = leaf(
        EgressClass.TIME, "When it was acknowledged; null while it is open."
    )
    acknowledged_via: str | None = leaf(
        EgressClass.AUDIT_METADATA, "By which door: session or connector; null while it is open."
    )

    @leaf(
        EgressClass.AUDIT_BODY, "What was written when it was acknowledged; null when nothing was."
    )
    async def acknowledgement_note(self, info: Info) -> str | None:
        """Load the notes only for those who ask: they stay inside the hub."""
        return await info.context.load(notes_by_detection, self.id)

    @leaf(_METADATA, "What a person would check next, and by whom action is taken.")
    def next_steps(self) -> list[str]:
        """Look it up in the rule's guidance."""
        return list(GUIDANCE[self.rule_kind].next_steps)

    @part(f"Its newest events in the order they happened, at most {MAX_EVENTS}.")
    async def events(self, info: Info) -> list[DetectionEventType]:
        """Load the events of all detections of the answer together."""
        rows = await info.context.load(events_by_detection, self.id)
        return [DetectionEventType.of(row) for row in rows or []]

    @part(
        "Events of the same host, address or account from an hour before to an hour after, newest"
        f" first, at most {MAX_RELATED_EVENTS}; kept for 30 days."
    )
    async def related_events(self, info: Info) -> list[RelatedEventType]:
        """Load those of all detections of the answer together."""
        rows = await info.context.load(related_events, self.id)
        return [RelatedEventType.of(row) for row in rows or []]

    @part(f"What people did to it, newest first, at most {MAX_HISTORY}.")
    async def history(self, info: Info) -> list[DetectionHistoryEntryType]:
        """Load the histories of all detections of the answer together."""
        rows = await info.context.load(histories_by_detection, self.id)
        return [DetectionHistoryEntryType.of(row) for row in rows or []]

    @part(
        "Detections of the same host, address or account from a day before to a day after,"
        f" newest first, at most {MAX_NEIGHBOURS}."
    )
    async def related(self, info: Info) -> list["DetectionNeighbourType"]:
        """Load those of all detections of the answer together."""
        rows = await info.context.load(related_detections, self.id)
        return [DetectionNeighbourType.of(row) for row in rows or []]

    @part(
        "Detections of the same rule on other hosts, or of the same address or account, within 30"
        f" days, newest first, at most {MAX_NEIGHBOURS}; without the related ones."
    )
    async def similar(self, info: Info) -> list["DetectionNeighbourType"]:
        """Load those of all detections of the answer together."""
        rows = await info.context.load(similar_detections, self.id)
        return [DetectionNeighbourType.of(row) for row in rows or []]

    @classmethod
    def of(cls, row: DetectionRow) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            number=row.number,
            rule_kind=row.rule_kind,
            rule_title=GUIDANCE[row.rule_kind].title,
            techniques=row.technique.split(","),
            severity=row.severity,
            title=row.title,
            description=row.description,
            subject=row.subject,
            agent_name=row.agent_name,
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
            event_count=row.event_count,
            source_address=row.source_address,
            target_user=row.target_user,
            process_name=row.process_name,
            state=row.state,
            acknowledged_by=row.acknowledged_by,
            acknowledged_at=row.acknowledged_at,
            acknowledged_via=row.acknowledged_via,
        )


@strawberry.type(
    name="DetectionNeighbour",
    description="Another detection, and what it has in common with the one asked about.",
)
class DetectionNeighbourType:
    """Neighbour, as clients see it."""

    relations: list[Relation] = leaf(_METADATA, "What the two have in common.")
    detection: DetectionType = part("The other detection.")

    @classmethod
    def of(cls, neighbour: Neighbour) -> Self:
        """Shape one neighbour."""
        return cls(
            relations=list(neighbour.relations), detection=DetectionType.of(neighbour.detection)
        )
