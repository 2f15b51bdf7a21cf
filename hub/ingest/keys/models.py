"""The table of ingest keys."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import enum_by_value, instant


class IngestSource(StrEnum):
    """What a key may send: one kind of thing, so a leaked key opens one door."""

    ALERTMANAGER = "alertmanager"
    CYCLONEDX = "cyclonedx"
    FALCO = "falco"
    OTLP = "otlp"
    SERVICE_LEVELS = "service_levels"
    SIGNALS = "signals"
    WAZUH = "wazuh"


class IngestKey(SQLModel, table=True):
    """A key of one tenant and one source; only its digest is stored."""

    __tablename__ = "ingest_keys"
    __table_args__ = (
        # Serves the list of a tenant's keys, and revoking one by its id.
        Index("uq_ingest_keys_tenant_id_id", "tenant_id", "id", unique=True),
    )

    digest: str = Field(primary_key=True, max_length=64)
    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    id: UUID = Field(default_factory=uuid4)
    source: IngestSource = Field(sa_type=enum_by_value(IngestSource))
    name: str = Field(max_length=100)
    # Whom a payload is about that names no host: Falco without `hostname`, say.
    default_host: str | None = Field(default=None, max_length=253)
    made_by: str = Field(max_length=254)
    created_at: datetime = instant(default_factory=utc_now)
    # Coarse: a busy key does not cost a write a request.
    last_used_at: datetime | None = instant(default=None)
    revoked_at: datetime | None = instant(default=None)
