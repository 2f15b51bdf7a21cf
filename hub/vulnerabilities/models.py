"""Tables of vulnerabilities: public advisories, and where they hit the fleet."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import (
    enum_by_value,
    instant,
    json_object,
    tenant_key,
    tenant_reference,
    text_list,
    uuid_key,
)
from hub.severity import Severity, severity_rank

OSV_FEED, KERNEL_FEED = "osv", "kernel-cves"


class FindingKind(StrEnum):
    """What is vulnerable: the running kernel, or an installed package."""

    KERNEL = "kernel"
    PACKAGE = "package"


class FindingState(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    REBOOT_PENDING = "reboot_pending"  # the fixed kernel is installed, the old one still runs
    FIXED = "fixed"
    ACCEPTED = "accepted"


class Advisory(SQLModel, table=True):
    """A published vulnerability. Public knowledge, shared by all tenants."""

    __tablename__ = "advisories"
    __table_args__ = (
        # Serve the search for a record's aliases, and what speaks for the same vulnerability.
        Index("ix_advisories_aliases", "aliases", postgresql_using="gin"),
        Index("ix_advisories_upstream", "upstream", postgresql_using="gin"),
        Index("ix_advisories_group_id", "group_id"),
        # Serves a changed rating: who borrowed it.
        Index(
            "ix_advisories_borrowed",
            "rated_by",
            postgresql_where=text("rated_by <> id"),
        ),
    )

    id: str = Field(primary_key=True, max_length=128)  # `CVE-2024-26581`, `GHSA-…`, `DSA-…`
    aliases: list[str] = text_list()
    summary: str = Field(default="", sa_type=Text)
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    severity_rank: int = severity_rank()
    cvss_score: float | None = None
    cvss_vector: str | None = Field(default=None, max_length=256)
    published_at: datetime | None = instant(default=None)
    modified_at: datetime = instant()
    withdrawn_at: datetime | None = instant(default=None)
    record: dict[str, object] = json_object()  # what was published, without what is indexed
    upstream: list[str] = text_list()  # what it was derived from; not the same vulnerability
    # Who keeps it up to date; empty for one told by hand, which no synchronisation touches.
    feed: str = Field(default="", max_length=32)
    group_id: str | None = Field(default=None, max_length=128)  # speaks for all of its aliases
    # The id of the record its severity is from: its own, an alias, an upstream; null: nobody's.
    rated_by: str | None = Field(default=None, max_length=128)
    epss: float | None = None  # probability of exploitation within 30 days (FIRST)
    exploited_since: date | None = None  # in CISA's catalogue of exploited vulnerabilities


class Finding(SQLModel, table=True):
    """That one advisory hits one package of one agent."""

    __tablename__ = "findings"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        Index(
            "uq_findings_identity",
            "tenant_id",
            "agent_id",
            "advisory_id",
            "package_name",
            unique=True,
        ),
        # Serves the lists: open findings of a kind, grouped by advisory and package.
        Index(
            "ix_findings_unfixed",
            "tenant_id",
            "kind",
            "advisory_id",
            "package_name",
            postgresql_where=text("state IN ('open', 'reboot_pending')"),
        ),
        # Serves one agent's counts.
        Index(
            "ix_findings_unfixed_by_agent",
            "tenant_id",
            "agent_id",
            "severity_rank",
            postgresql_where=text("state IN ('open', 'reboot_pending')"),
        ),
        CheckConstraint("(state = 'fixed') = (fixed_at IS NOT NULL)", name="fixed_at_matches"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    agent_id: UUID
    advisory_id: str = Field(foreign_key="advisories.id", max_length=128)
    kind: FindingKind = Field(sa_type=enum_by_value(FindingKind))
    ecosystem: str = Field(max_length=64)
    package_name: str = Field(max_length=256)
    installed_version: str = Field(max_length=256)
    fixed_version: str | None = Field(default=None, max_length=256)
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    severity_rank: int = severity_rank()
    state: FindingState = Field(default=FindingState.OPEN, sa_type=enum_by_value(FindingState))
    first_seen_at: datetime = instant(default_factory=utc_now)
    last_seen_at: datetime = instant(default_factory=utc_now)
    fixed_at: datetime | None = instant(default=None)
    accepted_reason: str | None = Field(default=None, max_length=2000)
    accepted_until: datetime | None = instant(default=None)
    accepted_by: UUID | None = None  # the person; acceptance is never a machine's
