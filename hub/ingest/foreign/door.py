"""The door that all foreign formats come in by: who sends, how often, and how much at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string
from sqlalchemy.ext.asyncio import AsyncSession

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent
from hub.clock import utc_now
from hub.database import Database
from hub.errors import Forbidden, Throttled, Unauthenticated, Unavailable
from hub.fleet.partitions import Partitions
from hub.ingest.away import or_unavailable
from hub.ingest.foreign.beside import beside
from hub.ingest.foreign.bodies import read_body
from hub.ingest.keys.commands import NOTE_USE_EVERY, PREFIX, note_use
from hub.ingest.keys.models import IngestSource
from hub.ingest.keys.queries import PresentedKey, presented_key, unknown_hosts_accepted
from hub.opaque_tokens import digest_of, is_well_formed

DELIVERIES_PER_MINUTE = 600
RETRY_AFTER_SECONDS = 5
_LIMIT = RateLimitItemPerMinute(DELIVERIES_PER_MINUTE)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A payload's sender, and the transaction of its tenant in which the payload is stored."""

    session: AsyncSession
    key: PresentedKey
    accepts_unknown_hosts: bool
    now: datetime
    partitions: Partitions
    # Written at the end: the audit trail's lock is the tenant's, and is to be held for a moment.
    events: list[AuditEvent] = field(default_factory=list)

    @property
    def tenant_id(self) -> UUID:
        """The tenant whose key it is."""
        return self.key.tenant_id


class Gate:
    """Lets a few deliveries in at once and a few more wait; the rest is told to come back.

    What waits holds no connection and has not sent its body, so a burst costs no memory.
    """

    def __init__(self, *, places: int = 8, waiting: int = 256) -> None:
        self._places = asyncio.Semaphore(places)
        self._free = places + waiting

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Hold a place; raise Unavailable when too many wait for one."""
        if self._free <= 0:
            raise Unavailable("The queue is full; nothing was stored. Send it again.")
        self._free -= 1
        try:
            async with self._places:
                yield
        finally:
            self._free += 1


class Limiter:
    """Counts deliveries per key; in memory, or in the storage that replicas share."""

    def __init__(self, storage_url: str) -> None:
        self._strategy = FixedWindowRateLimiter(storage_from_string(f"async+{storage_url}"))

    async def count(self, digest: str) -> None:
        """Count one delivery; raise Throttled when there were too many in this minute."""
        if not await self._strategy.hit(_LIMIT, "foreign", digest):
            raise Throttled(
                f"A key may send {DELIVERIES_PER_MINUTE} requests a minute; send more at once.",
                retry_after_seconds=_LIMIT.get_expiry(),
            )


class Door:
    """What one application keeps for its foreign endpoints."""

    def __init__(self, *, gate: Gate, limiter: Limiter) -> None:
        self.gate = gate
        self.limiter = limiter
        self.partitions = Partitions()

    @classmethod
    def of(cls, request: Request) -> "Door":
        """Return the application's door, made at the first delivery."""
        state = request.app.state
        if not hasattr(state, "foreign_door"):
            limiter = Limiter(state.settings.rate_limit_storage_url)
            state.foreign_door = cls(gate=Gate(), limiter=limiter)
        door: Door = state.foreign_door
        return door


async def deliver[Payload, Answer](
    request: Request,
    source: IngestSource,
    *,
    parse: Callable[[bytes], Payload],
    store: Callable[[Delivery, Payload], Awaitable[Answer]],
) -> Answer:
    """Take one payload in; it is committed when this returns, and not stored when it raises."""
    digest = _shown(request)
    door = Door.of(request)
    await door.limiter.count(digest)
    database: Database = request.app.state.database
    async with door.gate.entered(), or_unavailable():
        # Before the body is read: a stranger sends no megabytes, and holds no connection meanwhile.
        key = await _known(database, digest, source)
        body = await read_body(request)
        payload = await beside(len(body), parse, body)
        async with database.transaction(tenant_id=key.tenant_id) as session:
            accepts = await unknown_hosts_accepted(session, tenant_id=key.tenant_id)
            delivery = Delivery(session, key, accepts, utc_now(), door.partitions)
            answer = await store(delivery, payload)
            await _finish(delivery)
    return answer


async def _finish(delivery: Delivery) -> None:
    """Write what is shared by many deliveries: last, so that it is locked for a moment only."""
    session, key, now = delivery.session, delivery.key, delivery.now
    await append_events(session, tenant_id=key.tenant_id, events=delivery.events, at=now)
    if key.last_used_at is None or now - key.last_used_at >= NOTE_USE_EVERY:
        await note_use(session, digest=key.digest, now=now)


def _shown(request: Request) -> str:
    """Return the digest of the key that was shown, in a header and nowhere else."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not is_well_formed(key.strip(), PREFIX):
        raise Unauthenticated(
            "Send an ingest key as `Authorization: Bearer mik_…`; `monsys ingest key create` or the"
            " dashboard makes one."
        )
    return digest_of(key.strip())


async def _known(database: Database, digest: str, source: IngestSource) -> PresentedKey:
    async with database.transaction(presented=digest) as session:
        key = await presented_key(session, digest=digest)
    if key is None:
        raise Unauthenticated("Nobody has this ingest key; make a new one.")
    if key.revoked_at is not None:
        raise Forbidden("This ingest key was revoked; make a new one.")
    if key.source is not source:
        raise Forbidden(f"This ingest key is for another source; make one for `{source.value}`.")
    return key
