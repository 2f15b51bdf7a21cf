"""Tables that make foreign payloads idempotent: what was sent before, and what to compare with."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from hub.columns import instant, json_object, tenant_key, tenant_reference


class ForeignAlert(SQLModel, table=True):
    """One period of trouble that another tool told of.

    Alertmanager sends each period again and again, in any order; the row remembers how far we are.
    """

    __tablename__ = "foreign_alerts"
    __table_args__ = (
        # Serves "is a newer period of this trouble open".
        Index(
            "ix_foreign_alerts_open",
            "tenant_id",
            "source",
            "external_id",
            "started_at",
            postgresql_where=text("ended_at IS NULL"),
        ),
        # Serves the removal of old rows, and the closing of what went quiet.
        Index("ix_foreign_alerts_last_told_at", "tenant_id", "last_told_at"),
    )

    tenant_id: UUID = tenant_key()
    source: str = Field(primary_key=True, max_length=32)
    external_id: str = Field(primary_key=True, max_length=64)  # the tool's fingerprint, digested
    started_at: datetime = instant(primary_key=True)
    ended_at: datetime | None = instant(default=None)
    alert_id: UUID | None = None  # the alert it opened, while it was open
    last_told_at: datetime = instant()


class MetricCounter(SQLModel, table=True):
    """The newest counters of one exporter on one host: utilisation and rates are differences.

    In the database and not in memory, because the next export may reach another hub process.
    """

    __tablename__ = "metric_counters"
    __table_args__ = (tenant_reference("agent_id", "agents"),)

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    stream: str = Field(primary_key=True, max_length=64)  # digest of who exports
    at: datetime = instant()
    # By series: [start, time, value], the times in nanoseconds since 1970.
    series: dict[str, object] = json_object()
