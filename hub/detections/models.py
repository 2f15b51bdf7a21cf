"""Tables of detections: security events that a person should look at."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import (
    enum_by_value,
    instant,
    tenant_key,
    tenant_reference,
    uuid_key,
)
from hub.severity import Severity, severity_rank


class DetectionState(StrEnum):
    """Where a detection stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class DetectionAction(StrEnum):
    """What a person did to a detection."""

    ACKNOWLEDGED = "acknowledged"
    REOPENED = "reopened"
    RESOLVED = "resolved"


class RuleKind(StrEnum):
    """What a detection is about; one rule each."""

    AUTHORIZED_KEYS_CHANGE = "authorized_keys_change"
    BINARY_HASH_MISMATCH = "binary_hash_mismatch"
    CRON_PERSISTENCE = "cron_persistence"
    CRYPTOMINER = "cryptominer"
    FILE_INTEGRITY = "file_integrity"
    HONEYPOT_CANARY = "honeypot_canary"
    KERNEL_MODULE_LOAD = "kernel_module_load"
    LD_PRELOAD = "ld_preload"
    LOG_CLEARED = "log_cleared"
    NEW_LISTENING_PORT = "new_listening_port"
    NEW_SUDO_USER = "new_sudo_user"
    NEW_USER = "new_user"
    PROCESS_FROM_TMP = "process_from_tmp"
    REVERSE_SHELL = "reverse_shell"
    SSH_BRUTEFORCE = "ssh_bruteforce"
    SSH_BRUTEFORCE_SUCCESS = "ssh_bruteforce_success"
    SSH_LOGIN_NEW_SOURCE = "ssh_login_new_source"


class Detection(SQLModel, table=True):
    """One rule that fired on one agent about one subject, however many events it took."""

    __tablename__ = "detections"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # `DEV-2026-0441`: what people say to each other, unique per tenant.
        Index("uq_detections_tenant_id_number", "tenant_id", "number", unique=True),
        # Serves every list: newest first within the window, including its tie-break.
        Index(
            "ix_detections_newest_first",
            "tenant_id",
            text("last_seen_at DESC"),
            text("id DESC"),
        ),
        # Serve related events (same agent, address or user) and similar detections (same rule).
        Index("ix_detections_agent", "tenant_id", "agent_id", text("last_seen_at DESC")),
        Index("ix_detections_address", "tenant_id", "source_address", text("last_seen_at DESC")),
        Index("ix_detections_user", "tenant_id", "target_user", text("last_seen_at DESC")),
        Index("ix_detections_rule", "tenant_id", "rule_kind", text("last_seen_at DESC")),
        CheckConstraint(
            "(state = 'open') = (acknowledged_at IS NULL)", name="acknowledged_at_matches_state"
        ),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    number: str = Field(max_length=32)
    agent_id: UUID
    rule_kind: RuleKind = Field(sa_type=enum_by_value(RuleKind, length=64))
    technique: str = Field(max_length=64)  # MITRE ATT&CK ids, comma-separated: `T1110.001`
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    severity_rank: int = severity_rank()
    title: str = Field(max_length=200)
    description: str = Field(default="", max_length=2000)
    subject: str = Field(default="", max_length=300)  # what the rule grouped its events by
    first_seen_at: datetime = instant()
    last_seen_at: datetime = instant()
    event_count: int = 1
    source_address: str | None = Field(default=None, max_length=64)
    target_user: str | None = Field(default=None, max_length=64)
    process_name: str | None = Field(default=None, max_length=200)
    state: DetectionState = Field(
        default=DetectionState.OPEN, sa_type=enum_by_value(DetectionState)
    )
    # Denormalised from the history: lists show who, and a person may leave the tenant.
    acknowledged_by: str | None = Field(default=None, max_length=254)
    acknowledged_at: datetime | None = instant(default=None)
    acknowledged_note: str | None = Field(default=None, max_length=2000)
    acknowledged_via: str | None = Field(default=None, max_length=32)  # session or connector


class DetectionEvent(SQLModel, table=True):
    """One event that made a detection. `raw` is host data and never passes to Claude."""

    __tablename__ = "detection_events"
    __table_args__ = (
        tenant_reference("detection_id", "detections"),
        Index("ix_detection_events_detection", "tenant_id", "detection_id", "at", "id"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    detection_id: UUID
    at: datetime = instant()
    summary: str = Field(max_length=500)
    source_address: str | None = Field(default=None, max_length=64)
    target_user: str | None = Field(default=None, max_length=64)
    raw: str | None = Field(default=None, sa_type=Text)


class DetectionHistory(SQLModel, table=True):
    """What people did to a detection, in order; nothing in it is ever changed."""

    __tablename__ = "detection_history"
    __table_args__ = (
        tenant_reference("detection_id", "detections"),
        Index("ix_detection_history_detection", "tenant_id", "detection_id", "at", "id"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    detection_id: UUID
    action: DetectionAction = Field(sa_type=enum_by_value(DetectionAction))
    at: datetime = instant(default_factory=utc_now)
    user_id: UUID | None = None
    user_label: str = Field(max_length=254)
    via: str = Field(max_length=32)
    note: str | None = Field(default=None, max_length=2000)


class DetectionNumber(SQLModel, table=True):
    """The last number given out per tenant and year."""

    __tablename__ = "detection_numbers"

    tenant_id: UUID = tenant_key()
    year: int = Field(primary_key=True)
    last_number: int
