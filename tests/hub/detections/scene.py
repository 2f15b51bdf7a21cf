"""One host whose events come in, and what the hub makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.detections.events import EventKind, SecurityEvent
from hub.detections.intake import TakenEvents, take_events
from hub.detections.intake_models import DetectionIntake
from hub.detections.models import Detection, DetectionEvent
from hub.tenancy.models import Tenant
from tests.factories import make_agent

NOW = utc_now().replace(microsecond=0)
START = NOW - timedelta(days=2)  # where the events of a test begin
ATTACKER = "203.0.113.7"
_NUMBERS = count(1)


def seen(kind: EventKind, seconds: float = 0, **fields: Any) -> SecurityEvent:
    """Return an event so many seconds after START, under an id that no other has."""
    number = next(_NUMBERS)
    defaults: dict[str, Any] = {
        "id": f"event-{number}",
        "kind": kind,
        "at": START + timedelta(seconds=seconds),
        "summary": f"{kind.value} {number}",
    }
    return SecurityEvent(**(defaults | fields))


def refusals(
    number: int, *, every: float = 10, first: float = 0, **fields: Any
) -> list[SecurityEvent]:
    """Return refused SSH sign-ins from one address, one after another."""
    defaults: dict[str, Any] = {"source_address": ATTACKER, "user": "root", "process": "sshd"}
    return [
        seen(EventKind.AUTH_FAILURE, first + each * every, **(defaults | fields))
        for each in range(number)
    ]


def sign_in(seconds: float, **fields: Any) -> SecurityEvent:
    """Return an SSH sign-in that succeeded."""
    defaults: dict[str, Any] = {"source_address": ATTACKER, "user": "deploy", "process": "sshd"}
    return seen(EventKind.AUTH_SUCCESS, seconds, **(defaults | fields))


@dataclass
class Host:
    """A host of a tenant, known for so long that everything it does first is new."""

    database: Database
    tenant: Tenant
    agent_id: UUID

    async def take(self, *events: SecurityEvent, now: datetime = NOW) -> TakenEvents:
        """Let the hub take these events in one call."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return await take_events(
                session, tenant_id=self.tenant.id, agent_id=self.agent_id, events=events, now=now
            )

    async def detections(self) -> list[Detection]:
        """Return what the hub detected on this host, in the order of the numbers."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            rows = await session.scalars(
                select(Detection)
                .where(col(Detection.agent_id) == self.agent_id)
                .order_by(col(Detection.number))
            )
            return list(rows)

    async def detection(self) -> Detection:
        """Return the one thing that the hub detected on this host."""
        (only,) = await self.detections()
        return only

    async def events_of(self, detection: Detection) -> Sequence[DetectionEvent]:
        """Return the events that are kept with a detection, in their order."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            rows = await session.scalars(
                select(DetectionEvent)
                .where(col(DetectionEvent.detection_id) == detection.id)
                .order_by(col(DetectionEvent.at), col(DetectionEvent.id))
            )
            return rows.all()


async def new_host(
    database: Database, tenant: Tenant, *, known_since: datetime | None = None
) -> Host:
    """Return a host that has been known for a month, unless said otherwise."""
    agent = await make_agent(database, tenant)
    since = known_since or START - timedelta(days=30)
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add(
            DetectionIntake(
                tenant_id=tenant.id, agent_id=agent.id, started_at=since, last_taken_at=since
            )
        )
    return Host(database, tenant, agent.id)
