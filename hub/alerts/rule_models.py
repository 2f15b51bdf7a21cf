"""Tables of alert rules, of where they stand, and of what keeps them quiet."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, CheckConstraint, Index, Uuid, text
from sqlmodel import Field, SQLModel

from hub.alerts.metrics import RuleMetric, RuleOperator, RuleTarget
from hub.alerts.models import AlertCategory
from hub.alerts.state_machine import Phase
from hub.clock import utc_now
from hub.columns import enum_by_value, instant, tenant_key, tenant_reference, text_list, uuid_key
from hub.severity import Severity


class AlertRule(SQLModel, table=True):
    """When an alert opens by itself."""

    __tablename__ = "alert_rules"
    __table_args__ = (
        Index("uq_alert_rules_tenant_id_name", "tenant_id", "name", unique=True),
        CheckConstraint("duration_seconds BETWEEN 0 AND 604800", name="duration_in_range"),
        CheckConstraint("clear_seconds BETWEEN 0 AND 604800", name="clear_in_range"),
        CheckConstraint("hysteresis >= 0", name="hysteresis_in_range"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    name: str = Field(max_length=100)
    metric: RuleMetric = Field(sa_type=enum_by_value(RuleMetric))
    operator: RuleOperator = Field(sa_type=enum_by_value(RuleOperator))
    threshold: float
    duration_seconds: int = 0
    hysteresis: float = 0.0
    clear_seconds: int = 0
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    category: AlertCategory = Field(sa_type=enum_by_value(AlertCategory))
    target: RuleTarget = Field(default=RuleTarget.ALL, sa_type=enum_by_value(RuleTarget))
    agent_ids: list[UUID] = Field(default_factory=list, sa_type=ARRAY(Uuid), nullable=False)
    tag: str | None = Field(default=None, max_length=200)
    is_enabled: bool = Field(default=True, sa_type=Boolean)
    template: str | None = Field(default=None, max_length=64)  # the one it was made from
    created_by: str = Field(default="", max_length=254)
    created_at: datetime = instant(default_factory=utc_now)
    updated_at: datetime = instant(default_factory=utc_now)


class AlertRuleState(SQLModel, table=True):
    """Where a rule stands with one subject that is not all right: an agent, or the fleet.

    Most subjects are all right most of the time and have no row. The fleet's subject is the rule.
    """

    __tablename__ = "alert_rule_states"
    __table_args__ = (tenant_reference("rule_id", "alert_rules"),)

    tenant_id: UUID = tenant_key()
    rule_id: UUID = Field(primary_key=True)
    subject_id: UUID = Field(primary_key=True)
    phase: Phase = Field(sa_type=enum_by_value(Phase))
    since: datetime = instant()
    seen_at: datetime = instant()


class AlertWatch(SQLModel, table=True):
    """Since when the hub has been watching a tenant without a break, and when it last looked."""

    __tablename__ = "alert_watches"

    tenant_id: UUID = tenant_key()
    watched_since: datetime = instant()
    evaluated_at: datetime = instant()


class AlertMute(SQLModel, table=True):
    """That nobody is told of the alerts of a rule, of an agent, or of one alert.

    Without an end it lasts until the last of the alerts it is about is over.
    """

    __tablename__ = "alert_mutes"
    __table_args__ = (
        tenant_reference("rule_id", "alert_rules"),
        tenant_reference("agent_id", "agents"),
        tenant_reference("alert_id", "alerts"),
        CheckConstraint("num_nonnulls(rule_id, agent_id, alert_id) = 1", name="about_one_thing"),
        # Serves the triggers, which ask at every change of an alert.
        Index("ix_alert_mutes_tenant_id_ends_at", "tenant_id", "ends_at"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    rule_id: UUID | None = None
    agent_id: UUID | None = None
    alert_id: UUID | None = None
    reason: str = Field(default="", max_length=500)
    created_by: str = Field(default="", max_length=254)
    created_at: datetime = instant(default_factory=utc_now)
    ends_at: datetime | None = instant(default=None)


class MaintenanceWindow(SQLModel, table=True):
    """A period in which no alert of a rule opens: for an agent, for a tag, or for all."""

    __tablename__ = "maintenance_windows"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("num_nonnulls(agent_id, tag) <= 1", name="about_one_thing"),
        Index("ix_maintenance_windows_tenant_id_ends_at", "tenant_id", "ends_at"),
        Index(
            "ix_maintenance_windows_newest_first",
            "tenant_id",
            text("starts_at DESC"),
            text("id DESC"),
        ),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    agent_id: UUID | None = None
    tag: str | None = Field(default=None, max_length=200)
    starts_at: datetime = instant()
    ends_at: datetime = instant()
    reason: str = Field(default="", max_length=500)
    # The declarations that take the same time out of the service levels.
    sla_maintenance_ids: list[str] = text_list()
    created_by: str = Field(default="", max_length=254)
    created_at: datetime = instant(default_factory=utc_now)
