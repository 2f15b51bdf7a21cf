"""Reads of ingest keys."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.ingest.keys.models import IngestKey, IngestSource
from hub.tenancy.models import Tenant

MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as lists show it. Its text is not known to us."""

    id: UUID
    source: IngestSource
    name: str
    default_host: str | None
    made_by: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key that somebody showed us, and whether it still opens anything."""

    digest: str
    tenant_id: UUID
    id: UUID
    source: IngestSource
    default_host: str | None
    last_used_at: datetime | None
    revoked_at: datetime | None


async def ingest_keys(session: AsyncSession) -> list[KeyRow]:
    """Return the tenant's keys: the living ones first, then by name."""
    columns = [col(getattr(IngestKey, field.name)) for field in fields(KeyRow)]
    statement = (
        select(*columns)
        .order_by(
            col(IngestKey.revoked_at).is_not(None),
            col(IngestKey.source),
            col(IngestKey.name),
            col(IngestKey.id),
        )
        .limit(MAX_LISTED)
    )
    return [KeyRow(*row) for row in await session.execute(statement)]


async def key_by_id(session: AsyncSession, *, key_id: UUID) -> KeyRow | None:
    """Return one key."""
    columns = [col(getattr(IngestKey, field.name)) for field in fields(KeyRow)]
    row = await session.execute(select(*columns).where(col(IngestKey.id) == key_id))
    found = row.one_or_none()
    return KeyRow(*found) if found else None


async def presented_key(session: AsyncSession, *, digest: str) -> PresentedKey | None:
    """Return the key with this digest, which the transaction was opened with."""
    columns = [col(getattr(IngestKey, field.name)) for field in fields(PresentedKey)]
    row = await session.execute(select(*columns).where(col(IngestKey.digest) == digest))
    found = row.one_or_none()
    return PresentedKey(*found) if found else None


async def unknown_hosts_accepted(session: AsyncSession, *, tenant_id: UUID) -> bool:
    """Tell whether hosts that only other tools speak of become known."""
    accepts = await session.scalar(
        select(col(Tenant.accepts_unknown_hosts)).where(col(Tenant.id) == tenant_id)
    )
    return bool(accepts)
