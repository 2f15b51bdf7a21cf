"""Tables of alerts."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import enum_by_value, instant, tenant_key, tenant_reference, uuid_key
from hub.severity import Severity, severity_rank


class AlertState(StrEnum):
    """Where an alert stands."""

    OPEN = "open"
    RESOLVED = "resolved"


class AlertCategory(StrEnum):
    """What kind of trouble an alert tells of."""

    AVAILABILITY = "availability"
    BACKUP = "backup"
    CAPACITY = "capacity"
    CERTIFICATE = "certificate"
    NETWORK = "network"
    PERFORMANCE = "performance"
    SECURITY = "security"


class Alert(SQLModel, table=True):
    """One period during which something was wrong."""

    __tablename__ = "alerts"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # Serves the page of open alerts, worst and newest first, including its tie-break.
        Index(
            "ix_alerts_open_worst_first",
            "tenant_id",
            text("severity_rank DESC"),
            text("opened_at DESC"),
            text("id DESC"),
            postgresql_where=text("state = 'open'"),
        ),
        # Serves one agent's open alerts and their count.
        Index(
            "ix_alerts_open_by_agent",
            "tenant_id",
            "agent_id",
            postgresql_where=text("state = 'open'"),
        ),
        # One open alert for one cause on one agent.
        Index(
            "uq_alerts_open_fingerprint",
            "tenant_id",
            "fingerprint",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_at_matches_state"
        ),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    agent_id: UUID | None = None
    rule_id: UUID | None = None  # the rule that opened it; kept when the rule is gone
    fingerprint: str = Field(max_length=200)  # what makes two reports the same alert
    source: str = Field(default="hub", max_length=64)  # hub, alertmanager…
    category: AlertCategory = Field(sa_type=enum_by_value(AlertCategory))
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    severity_rank: int = severity_rank()
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    state: AlertState = Field(default=AlertState.OPEN, sa_type=enum_by_value(AlertState))
    opened_at: datetime = instant(default_factory=utc_now)
    resolved_at: datetime | None = instant(default=None)
