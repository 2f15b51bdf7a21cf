"""Tables of the hourly roll-ups: what is left of samples, and which hours are to be added up."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from hub.columns import instant, tenant_key, tenant_reference


class MetricHour(SQLModel, table=True):
    """How one agent's figures moved in one hour; null and a count of 0 where not measured."""

    __tablename__ = "metric_hours"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # Serves retention: whole hours are deleted.
        Index("ix_metric_hours_tenant_id_at", "tenant_id", "at"),
    )

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    at: datetime = instant(primary_key=True)  # the hour's start
    sample_count: int
    cpu_percent_low: float | None = None
    cpu_percent_mean: float | None = None
    cpu_percent_high: float | None = None
    cpu_percent_count: int
    memory_percent_low: float | None = None
    memory_percent_mean: float | None = None
    memory_percent_high: float | None = None
    memory_percent_count: int
    disk_percent_low: float | None = None
    disk_percent_mean: float | None = None
    disk_percent_high: float | None = None
    disk_percent_count: int
    load1_low: float | None = None
    load1_mean: float | None = None
    load1_high: float | None = None
    load1_count: int
    rx_mbps_low: float | None = None
    rx_mbps_mean: float | None = None
    rx_mbps_high: float | None = None
    rx_mbps_count: int
    tx_mbps_low: float | None = None
    tx_mbps_mean: float | None = None
    tx_mbps_high: float | None = None
    tx_mbps_count: int


class LateMetricHour(SQLModel, table=True):
    """That an hour got a sample after it was over: it is to be added up anew.

    Not unique on purpose: a mark is added with its sample and deleted once added up, so nobody ever
    waits for another's.
    """

    __tablename__ = "late_metric_hours"
    __table_args__ = (tenant_reference("agent_id", "agents"),)

    tenant_id: UUID = tenant_key()
    id: UUID = Field(
        default_factory=uuid4,
        primary_key=True,
        sa_column_kwargs={"server_default": text("gen_random_uuid()")},
    )
    agent_id: UUID
    at: datetime = instant()


class MetricRollUp(SQLModel, table=True):
    """How far a tenant's samples are added up: before this moment each hour has its rows."""

    __tablename__ = "metric_roll_ups"

    tenant_id: UUID = tenant_key()
    rolled_until: datetime = instant()
