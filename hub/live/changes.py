"""Changes: what happened to which row of which tenant."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import orjson

CHANNEL = "monsys_live"


class Kind(StrEnum):
    """What changed."""

    AGENT = "agent"
    ALERT = "alert"
    DETECTION = "detection"


class ChangeType(StrEnum):
    """What happened to it."""

    ACKNOWLEDGED = "acknowledged"
    CHANGED = "changed"
    ENROLLED = "enrolled"
    GROWN = "grown"
    OFFLINE = "offline"
    ONLINE = "online"
    OPENED = "opened"
    REOPENED = "reopened"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. It holds no contents: these are read in a transaction of the tenant."""

    tenant_id: UUID
    kind: Kind
    id: UUID
    type: ChangeType

    @property
    def subject(self) -> tuple[Kind, UUID]:
        """What it is about; of two changes of one subject only the later one matters."""
        return self.kind, self.id


def read_change(payload: str) -> Change:
    """Return the change in a notification; raise ValueError when it is none of ours."""
    try:
        told = orjson.loads(payload)
        return Change(
            tenant_id=UUID(told["tenant"]),
            kind=Kind(told["kind"]),
            id=UUID(told["id"]),
            type=ChangeType(told["change"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a change") from error
