"""Tables behind detections: what happened, the windows it falls into, and what is normal."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from hub.columns import (
    enum_by_value,
    instant,
    json_object,
    tenant_key,
    tenant_reference,
    text_list,
    uuid_key,
)
from hub.detections.events import EventKind
from hub.detections.models import RuleKind


class StoredEvent(SQLModel, table=True):
    """One thing that happened on one host. `raw` is host data and never passes to Claude.

    The id is made from the host and the sender's own id, so the key itself keeps an event that is
    sent again from being stored twice.
    """

    __tablename__ = "security_events"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # Serve related events (same agent, address or account around a detection); the one of
        # addresses also the sign-ins around a new one.
        Index("ix_security_events_agent", "tenant_id", "agent_id", "at"),
        Index(
            "ix_security_events_address",
            "tenant_id",
            "source_address",
            "at",
            postgresql_where=text("source_address IS NOT NULL"),
        ),
        Index(
            "ix_security_events_user",
            "tenant_id",
            "target_user",
            "at",
            postgresql_where=text("target_user IS NOT NULL"),
        ),
        # Serves pruning: events arrive about in their order, so a few pages say where the old are.
        Index("ix_security_events_at", "at", postgresql_using="brin"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    agent_id: UUID
    kind: EventKind = Field(sa_type=enum_by_value(EventKind, length=64))
    at: datetime = instant()
    received_at: datetime = instant()
    summary: str = Field(max_length=500)
    target_user: str | None = Field(default=None, max_length=64)
    source_address: str | None = Field(default=None, max_length=64)
    process_name: str | None = Field(default=None, max_length=200)
    path: str | None = Field(default=None, max_length=1024)
    command: str | None = Field(default=None, sa_type=Text)
    port: int | None = None
    protocol: str | None = Field(default=None, max_length=8)
    sha256: str | None = Field(default=None, max_length=64)
    alike_count: int = 1  # how many alike the sender folded into this one
    raw: str | None = Field(default=None, sa_type=Text)
    details: dict[str, Any] = json_object()


class DetectionWindow(SQLModel, table=True):
    """What one rule saw of one subject on one host without a longer silence in between.

    A detection is about one window; a window without one was not enough so far.
    """

    __tablename__ = "detection_windows"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        tenant_reference("detection_id", "detections"),
        # Serves the windows that new sightings may belong to.
        Index(
            "ix_detection_windows_subject",
            "tenant_id",
            "agent_id",
            "rule_kind",
            "subject",
            "ended_at",
        ),
        # Serves the deletion of a detection, and the window of one.
        Index("ix_detection_windows_detection", "tenant_id", "detection_id"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    agent_id: UUID
    rule_kind: RuleKind = Field(sa_type=enum_by_value(RuleKind, length=64))
    subject: str = Field(max_length=300)
    started_at: datetime = instant()
    ended_at: datetime = instant()
    sighting_count: int = Field(sa_type=BigInteger)
    worst_rank: int = Field(sa_type=SmallInteger)  # of the severities of its sightings
    # The two smallest of each: one means that all sightings agree, two that they do not.
    users: list[str] = text_list()
    addresses: list[str] = text_list()
    processes: list[str] = text_list()
    # Its detection was resolved and something came after it: that belongs to the next window.
    is_closed: bool = False
    detection_id: UUID | None = None  # null while it is not enough for a detection


class DetectionBaseline(SQLModel, table=True):
    """Something that a host is known to do, for rules about what is new."""

    __tablename__ = "detection_baselines"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # Serves forgetting.
        Index("ix_detection_baselines_last_seen_at", "tenant_id", "last_seen_at"),
    )

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    rule_kind: RuleKind = Field(primary_key=True, sa_type=enum_by_value(RuleKind, length=64))
    subject: str = Field(primary_key=True, max_length=300)
    first_seen_at: datetime = instant()
    last_seen_at: datetime = instant()


class DetectionIntake(SQLModel, table=True):
    """Since when a host's events are taken. Its lock makes takers of one host take turns."""

    __tablename__ = "detection_intakes"
    __table_args__ = (tenant_reference("agent_id", "agents"),)

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    started_at: datetime = instant()
    last_taken_at: datetime = instant()


class DetectionRuleSettings(SQLModel, table=True):
    """What a tenant changed about one rule; a rule without a row is as it comes."""

    __tablename__ = "detection_rule_settings"

    tenant_id: UUID = tenant_key()
    rule_kind: RuleKind = Field(primary_key=True, sa_type=enum_by_value(RuleKind, length=64))
    is_enabled: bool = True
    thresholds: dict[str, Any] = json_object()  # only those that differ from the default
    ignored_subjects: list[str] = text_list()
    changed_by: str = Field(max_length=254)
    changed_at: datetime = instant()
