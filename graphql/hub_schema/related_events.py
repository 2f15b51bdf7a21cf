"""GraphQL type of an event that stands near a detection."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from hub.detections.context import Relation
from hub.detections.events import EventKind
from hub.detections.related_events import RelatedEvent, raw_lines_by_stored_event
from hub_schema import detection_enums
from hub_schema.context import Info
from hub_schema.directives import EgressClass, leaf
from hub_schema.enums import describe

__all__ = ["RelatedEventType", "detection_enums"]

_METADATA = EgressClass.DETECTION_METADATA

describe(
    EventKind,
    "What kind of thing happened on a host.",
    {
        EventKind.AUTH_FAILURE: "A sign-in was refused.",
        EventKind.AUTH_SUCCESS: "Somebody signed in.",
        EventKind.AUTHORIZED_KEYS_CHANGED: "The keys that open an account changed.",
        EventKind.BINARY_CHANGED: "A running program is not the one that was known.",
        EventKind.CRON_CHANGED: "A scheduled job was added or changed.",
        EventKind.FILE_CHANGED: "A watched file changed.",
        EventKind.HONEYPOT_TOUCHED: "A canary file was opened.",
        EventKind.KERNEL_MODULE_LOADED: "A kernel module was loaded.",
        EventKind.LOG_SHRUNK: "A log lost lines without having been rotated.",
        EventKind.OUTBOUND_CONNECTION: "A program connected to another host.",
        EventKind.PORT_OPENED: "Something new accepts connections.",
        EventKind.PRELOAD_CHANGED: "A library is put before all others.",
        EventKind.PROCESS_STARTED: "A program was started.",
        EventKind.SHELL_ON_SOCKET: "A shell whose input is a connection.",
        EventKind.SUDO_COMMAND: "An account ran a command through sudo.",
        EventKind.SUDOERS_CHANGED: "Who may use sudo changed.",
        EventKind.USER_ADDED: "An account was created.",
    },
    name="SecurityEventKind",
)


@strawberry.type(name="RelatedEvent", description="An event near a detection, whatever it became.")
class RelatedEventType:
    """Related event, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the event in this tenant.")
    at: datetime = leaf(EgressClass.TIME, "When it happened.")
    kind: EventKind = leaf(_METADATA, "What kind of thing happened.")
    summary: str = leaf(_METADATA, "What happened, in a sentence.")
    agent_name: str = leaf(EgressClass.HOST_IDENTITY, "Name of the host.")
    source_address: str | None = leaf(_METADATA, "From which address; null when from none.")
    target_user: str | None = leaf(_METADATA, "Which account; null when it is about none.")
    process_name: str | None = leaf(_METADATA, "Which program; null when it is about none.")
    path: str | None = leaf(_METADATA, "Which file; null when it is about none.")
    relations: list[Relation] = leaf(_METADATA, "What it has in common with the detection.")

    @leaf(EgressClass.AGENT_RAW, "The host's own line; null when it was not kept.")
    async def raw(self, info: Info) -> str | None:
        """Load the lines only for those who ask: they are long, and stay inside the hub."""
        return await info.context.load(raw_lines_by_stored_event, self.id)

    @classmethod
    def of(cls, row: RelatedEvent) -> Self:
        """Shape one row."""
        return cls(
            id=row.id,
            at=row.at,
            kind=row.kind,
            summary=row.summary,
            agent_name=row.agent_name,
            source_address=row.source_address,
            target_user=row.target_user,
            process_name=row.process_name,
            path=row.path,
            relations=list(row.relations),
        )
