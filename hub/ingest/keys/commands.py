"""Ingest keys are made, shown once, used and revoked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, InvalidInput, NotFound
from hub.fleet.agent_names import check_agent_name
from hub.ingest.keys.models import IngestKey, IngestSource
from hub.opaque_tokens import digest_of, new_token
from hub.principal import Principal
from hub.tenancy.models import Tenant
from hub.text import check_text

PREFIX = "mik_"
MAX_KEYS = 200  # living ones of one tenant
MAX_NAME_CHARACTERS = 100
NOTE_USE_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made: the only moment at which its text is known."""

    id: UUID
    key: str


async def create_ingest_key(
    session: AsyncSession,
    *,
    by: Principal,
    source: IngestSource,
    name: str,
    now: datetime,
    default_host: str | None = None,
    request_id: str | None = None,
) -> IssuedKey:
    """Make a key for one source. The audit trail keeps who made it."""
    cleaned = check_text(name, field="name", max_characters=MAX_NAME_CHARACTERS)
    if not cleaned:
        raise InvalidInput("`name` must say what the key is for.", field="name")
    host = _checked_host(default_host)
    await _check_count(session)
    issued = IssuedKey(uuid4(), new_token(PREFIX))
    await session.execute(
        insert(IngestKey).values(
            digest=digest_of(issued.key),
            tenant_id=by.tenant_id,
            id=issued.id,
            source=source,
            name=cleaned,
            default_host=host,
            made_by=by.label[:254],
            created_at=now,
        )
    )
    details = {"id": str(issued.id), "source": source.value, "name": cleaned}
    await _record(
        session, by, EventType.INGEST_KEY_CREATED, details=details, now=now, request_id=request_id
    )
    return issued


async def revoke_ingest_key(
    session: AsyncSession,
    *,
    by: Principal,
    key_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Make the key useless from this moment on; one that is revoked already stays so."""
    known = (
        await session.execute(
            select(col(IngestKey.source), col(IngestKey.name), col(IngestKey.revoked_at))
            .where(col(IngestKey.id) == key_id)
            .with_for_update()
        )
    ).one_or_none()
    if known is None:
        raise NotFound("No ingest key has this id.", field="id")
    if known.revoked_at is not None:
        return
    await session.execute(
        update(IngestKey).where(col(IngestKey.id) == key_id).values(revoked_at=now)
    )
    details = {"id": str(key_id), "source": known.source.value, "name": known.name}
    await _record(
        session, by, EventType.INGEST_KEY_REVOKED, details=details, now=now, request_id=request_id
    )


async def accept_unknown_hosts(
    session: AsyncSession,
    *,
    by: Principal,
    accepts: bool,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Set whether hosts that only other tools speak of become known."""
    former = await session.scalar(
        select(col(Tenant.accepts_unknown_hosts))
        .where(col(Tenant.id) == by.tenant_id)
        .with_for_update()
    )
    if former is accepts:
        return
    await session.execute(
        update(Tenant).where(col(Tenant.id) == by.tenant_id).values(accepts_unknown_hosts=accepts)
    )
    details = {"accepts_unknown_hosts": accepts}
    await _record(
        session,
        by,
        EventType.INGEST_SETTINGS_CHANGED,
        details=details,
        now=now,
        request_id=request_id,
    )


async def note_use(session: AsyncSession, *, digest: str, now: datetime) -> None:
    """Keep that the key was used, to within a few minutes."""
    last = col(IngestKey.last_used_at)
    await session.execute(
        update(IngestKey)
        .where(
            col(IngestKey.digest) == digest,
            or_(last.is_(None), last < now - NOTE_USE_EVERY),
        )
        .values(last_used_at=now),
        execution_options={"synchronize_session": False},
    )


def _checked_host(name: str | None) -> str | None:
    if not name:
        return None
    try:
        return check_agent_name(name)
    except InvalidInput as error:
        raise InvalidInput(
            error.message.replace("`name`", "`default_host`"), field="default_host"
        ) from error


async def _check_count(session: AsyncSession) -> None:
    living = select(func.count()).select_from(IngestKey).where(col(IngestKey.revoked_at).is_(None))
    if (await session.scalar(living) or 0) >= MAX_KEYS:
        raise Conflict(f"A tenant may have {MAX_KEYS} ingest keys; revoke some first.")


async def _record(
    session: AsyncSession,
    by: Principal,
    event_type: EventType,
    *,
    details: Mapping[str, object],
    now: datetime,
    request_id: str | None,
) -> None:
    event = AuditEvent(
        event_type=event_type,
        actor=by.label,
        actor_kind=by.kind.value,
        user_id=by.user_id,
        details=dict(details),
        request_id=request_id,
    )
    await append_events(session, tenant_id=by.tenant_id, events=[event], at=now)
