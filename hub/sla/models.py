"""Tables of service levels: targets, what was observed of them, and what does not count."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import enum_by_value, instant, tenant_key, tenant_reference, uuid_key


class SlaIndicator(StrEnum):
    """What is observed."""

    AGENT_UP = "agent_up"
    ALERT_FREE = "alert_free"
    CUSTOM = "custom"
    HTTP_PROBE = "http_probe"


class SlaTarget(SQLModel, table=True):
    """A promise: this share of good time over this window."""

    __tablename__ = "sla_targets"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        Index("uq_sla_targets_tenant_id_name", "tenant_id", "name", unique=True),
        CheckConstraint("objective > 0 AND objective <= 1", name="objective_is_a_share"),
        CheckConstraint("window_days BETWEEN 1 AND 366", name="window_days_in_range"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    name: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    indicator: SlaIndicator = Field(sa_type=enum_by_value(SlaIndicator))
    agent_id: UUID | None = None
    objective: float  # 0.999 for 99.9 %
    window_days: int = 30
    # Instead of a rolling window: the calendar month of this time zone.
    is_calendar_month: bool = False
    time_zone: str = Field(default="UTC", max_length=64)
    minimum_data: float = 0.95  # share of the window that must be known, else the state is unknown
    created_at: datetime = instant(default_factory=utc_now)
    # Up to when the hub's own jobs have observed it, and when its agent was last heard of then.
    observed_until: datetime | None = instant(default=None)
    last_heard_at: datetime | None = instant(default=None)


class SlaObservation(SQLModel, table=True):
    """How five minutes went, in seconds. What is neither good nor bad is unknown, not up."""

    __tablename__ = "sla_observations"
    __table_args__ = (
        tenant_reference("target_id", "sla_targets"),
        CheckConstraint(
            "good_seconds >= 0 AND bad_seconds >= 0 AND good_seconds + bad_seconds <= 300.000001",
            name="fits_five_minutes",
        ),
        CheckConstraint("excluded_share BETWEEN 0 AND 1", name="excluded_share_is_a_share"),
    )

    tenant_id: UUID = tenant_key()
    target_id: UUID = Field(primary_key=True)
    at: datetime = instant(primary_key=True)  # start of the five minutes
    good_seconds: float
    bad_seconds: float
    excluded_share: float = 0.0  # of the five minutes, that maintenance takes out


class SlaHour(SQLModel, table=True):
    """One hour, and all that was before it: the difference of two rows is any window."""

    __tablename__ = "sla_hours"
    __table_args__ = (tenant_reference("target_id", "sla_targets"),)

    tenant_id: UUID = tenant_key()
    target_id: UUID = Field(primary_key=True)
    at: datetime = instant(primary_key=True)  # start of the hour
    good_seconds: float
    bad_seconds: float
    good_before: float
    bad_before: float


class SlaMaintenance(SQLModel, table=True):
    """A period that counts neither as good nor as bad: of one target, or of all."""

    __tablename__ = "sla_maintenance"
    __table_args__ = (
        tenant_reference("target_id", "sla_targets"),
        Index("ix_sla_maintenance_ends_at", "tenant_id", "ends_at"),
        CheckConstraint("ends_at > starts_at", name="ends_after_it_starts"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    target_id: UUID | None = None
    starts_at: datetime = instant()
    ends_at: datetime = instant()
    reason: str = Field(default="", max_length=500)
    created_by: str = Field(default="", max_length=254)
    created_at: datetime = instant(default_factory=utc_now)


class SlaProbe(SQLModel, table=True):
    """How an HTTP target is asked, and what its last answer was."""

    __tablename__ = "sla_probes"
    __table_args__ = (
        tenant_reference("target_id", "sla_targets"),
        CheckConstraint("interval_seconds BETWEEN 60 AND 3600", name="interval_in_range"),
        CheckConstraint("timeout_seconds BETWEEN 0.1 AND 30", name="timeout_in_range"),
    )

    tenant_id: UUID = tenant_key()
    target_id: UUID = Field(primary_key=True)
    url: str = Field(max_length=2000)
    interval_seconds: int = 60
    timeout_seconds: float = 10.0
    expected_status: int = 200
    verifies_tls: bool = True
    probed_at: datetime | None = instant(default=None)
    is_good: bool | None = None
    reason: str = Field(default="", max_length=64)  # why the last answer was bad


class SlaSettings(SQLModel, table=True):
    """What a tenant allows its probes."""

    __tablename__ = "sla_settings"

    tenant_id: UUID = tenant_key()
    may_probe_private_addresses: bool = False
