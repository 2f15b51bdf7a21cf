"""Tables of service levels: targets, and what was observed of them."""

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
    minimum_data: float = 0.95  # share of the window that must be known, else the state is unknown
    created_at: datetime = instant(default_factory=utc_now)


class SlaObservation(SQLModel, table=True):
    """How five minutes went, in seconds. What is neither good nor bad is unknown, not up."""

    __tablename__ = "sla_observations"
    __table_args__ = (
        tenant_reference("target_id", "sla_targets"),
        CheckConstraint(
            "good_seconds >= 0 AND bad_seconds >= 0 AND good_seconds + bad_seconds <= 300",
            name="fits_five_minutes",
        ),
    )

    tenant_id: UUID = tenant_key()
    target_id: UUID = Field(primary_key=True)
    at: datetime = instant(primary_key=True)  # start of the five minutes
    good_seconds: float
    bad_seconds: float
