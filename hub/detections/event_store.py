"""The events themselves: stored once each, read around a moment, forgotten after a time."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import (
    DateTime,
    Integer,
    String,
    Text,
    Uuid,
    cast,
    delete,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.canonical import canonical_json
from hub.detections.events import EventKind, SecurityEvent
from hub.detections.intake_models import StoredEvent
from hub.fleet.array_rows import array_rows

_EVENTS = StoredEvent.__table__  # type: ignore[attr-defined]
_TYPES: dict[str, TypeEngine[Any]] = {
    "id": Uuid(),
    "kind": String(),
    "at": DateTime(timezone=True),
    "summary": Text(),
    "target_user": Text(),
    "source_address": Text(),
    "process_name": Text(),
    "path": Text(),
    "command": Text(),
    "port": Integer(),
    "protocol": Text(),
    "sha256": Text(),
    "alike_count": Integer(),
    "raw": Text(),
    "details": Text(),
}
_LENGTHS = {
    "summary": 500,
    "user": 64,
    "process": 200,
    "path": 1024,
    "command": 2000,
    "protocol": 8,
    "sha256": 64,
    "raw": 4000,
}
_MAX_COUNT = 1_000_000_000
_MAX_DETAILS = 16
_MAX_DETAIL = 500


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """An event that may be stored, under the id that it has in the hub."""

    id: UUID
    event: SecurityEvent


def named(agent_id: UUID, event: SecurityEvent) -> NamedEvent:
    """Return the event as the hub keeps it: bounded, storable, and named by host and sender's id.

    Whoever translated it from a foreign format need not know our bounds.
    """
    texts: dict[str, Any] = {
        name: _storable(value, length)
        for name, length in _LENGTHS.items()
        if (value := getattr(event, name)) is not None
    }
    details = {
        _storable(name, 64): _storable(value, _MAX_DETAIL)
        for name, value in list(event.details.items())[:_MAX_DETAILS]
    }
    kept = replace(
        event,
        **texts,
        source_address=canonical_address(event.source_address),
        count=min(max(event.count, 1), _MAX_COUNT),
        details=details,
    )
    return NamedEvent(uuid5(agent_id, event.id.encode("utf-8", "replace").decode()), kept)


@lru_cache(maxsize=4096)
def canonical_address(text: str | None) -> str | None:
    """Return an address in one spelling, so that one source is one subject.

    What is no address stays as it is: better a strange subject than none.
    """
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return _storable(text, 64)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _storable(text: str, length: int) -> str:
    if text.isascii():
        return text.replace("\0", "")[:length]
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:length]


async def store_events(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    events: Sequence[NamedEvent],
    now: datetime,
) -> set[UUID]:
    """Store events; return the ids of those that were not known before."""
    rows = array_rows("events", _TYPES, [_row(one) for one in events])
    values = [cast(rows.c.details, JSONB) if name == "details" else rows.c[name] for name in _TYPES]
    source = select(
        literal(tenant_id, Uuid()),
        literal(agent_id, Uuid()),
        literal(now, DateTime(timezone=True)),
        *values,
    )
    stored = await session.scalars(
        postgresql.insert(_EVENTS)
        .from_select(["tenant_id", "agent_id", "received_at", *_TYPES], source)
        .on_conflict_do_nothing()
        .returning(_EVENTS.c.id)
    )
    return set(stored)


def _row(one: NamedEvent) -> tuple[Any, ...]:
    event = one.event
    return (
        one.id,
        event.kind.value,
        event.at,
        event.summary,
        event.user,
        event.source_address,
        event.process,
        event.path,
        event.command,
        event.port,
        event.protocol,
        event.sha256,
        event.count,
        event.raw,
        canonical_json(dict(event.details)).decode() if event.details else "{}",
    )


async def events_between(
    session: AsyncSession,
    *,
    agent_id: UUID,
    kinds: Collection[EventKind],
    since: datetime,
    until: datetime,
    addresses: Collection[str] | None = None,
) -> list[NamedEvent]:
    """Return what happened on one host, in its order; only from these addresses, if some are given.

    Whose subject is an address may have a great many neighbours: those are left to the index.
    """
    statement = (
        select(*(_EVENTS.c[name] for name in _TYPES))
        .where(
            col(StoredEvent.agent_id) == agent_id,
            col(StoredEvent.kind).in_(kinds),
            col(StoredEvent.at).between(since, until),
        )
        .order_by(col(StoredEvent.at), col(StoredEvent.id))
    )
    if addresses is not None:
        statement = statement.where(col(StoredEvent.source_address).in_(addresses))
    return [_read(row) for row in await session.execute(statement)]


def _read(row: Any) -> NamedEvent:
    event = SecurityEvent(
        id=str(row.id),
        kind=row.kind,
        at=row.at,
        summary=row.summary,
        user=row.target_user,
        source_address=row.source_address,
        process=row.process_name,
        path=row.path,
        command=row.command,
        port=row.port,
        protocol=row.protocol,
        sha256=row.sha256,
        count=row.alike_count,
        raw=row.raw,
        details=row.details,
    )
    return NamedEvent(row.id, event)


async def forget_events(session: AsyncSession, *, before: datetime) -> None:
    """Delete the tenant's events that are older."""
    await session.execute(
        delete(StoredEvent).where(col(StoredEvent.at) < before),
        execution_options={"synchronize_session": False},
    )
