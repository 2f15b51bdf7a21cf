"""Tables that matching works on: what records say, what packages are called, and what met."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from hub.columns import (
    enum_by_value,
    instant,
    json_object,
    tenant_key,
    tenant_reference,
    text_list,
)
from hub.severity import Severity, severity_rank
from hub.vulnerabilities.models import FindingKind


class AdvisoryRange(SQLModel, table=True):
    """One interval of versions that an advisory affects. Public knowledge, as advisories are."""

    __tablename__ = "advisory_ranges"
    __table_args__ = (
        # Serves matching: of what is said of a package, only what ends after its version is read.
        Index("ix_advisory_ranges_package", "ecosystem", "name", "upper_key"),
        # Serves what bytes do not decide.
        Index(
            "ix_advisory_ranges_inexact",
            "ecosystem",
            "name",
            postgresql_where=text("NOT is_exact"),
        ),
    )

    advisory_id: str = Field(
        primary_key=True, foreign_key="advisories.id", ondelete="CASCADE", max_length=128
    )
    position: int = Field(primary_key=True)
    ecosystem: str = Field(max_length=128)
    name: str = Field(max_length=256)
    is_binary: bool = False  # a binary that is listed beside its source
    is_exact: bool = False  # the keys decide: lower_key <= version < upper_key
    lower_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    upper_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    introduced: str | None = Field(default=None, max_length=256)  # null: from the beginning
    ends_at: str | None = Field(default=None, max_length=256)  # null: no end
    includes_end: bool = False
    fixed: str | None = Field(default=None, max_length=256)
    versions: list[str] = text_list()
    problem: str | None = Field(default=None, sa_type=Text)  # why it cannot be decided
    severity: Severity | None = Field(default=None, sa_type=enum_by_value(Severity))


class PackageSubject(SQLModel, table=True):
    """A name by which advisories may call a package version, with the version's sort key."""

    __tablename__ = "package_subjects"
    __table_args__ = (
        tenant_reference("package_version_id", "package_versions"),
        # Serves a new advisory: which of the fleet's packages it names.
        Index("ix_package_subjects_name", "tenant_id", "ecosystem", "name"),
        Index(
            "ix_package_subjects_unplaced",
            "tenant_id",
            postgresql_where=text("version_key IS NULL"),
        ),
    )

    tenant_id: UUID = tenant_key()
    package_version_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True)
    ecosystem: str = Field(max_length=128)
    name: str = Field(max_length=256)
    version: str = Field(max_length=256)
    version_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    is_binary: bool = False
    problem: str | None = Field(default=None, sa_type=Text)  # why its version has no place
    kind: FindingKind = Field(sa_type=enum_by_value(FindingKind))
    # An ecosystem of the same host whose word outweighs this one's: Ubuntu Pro's.
    yields_to: str | None = Field(default=None, max_length=128)


class PackageMatch(SQLModel, table=True):
    """That a vulnerability affects a package version, on however many hosts it is."""

    __tablename__ = "package_matches"
    __table_args__ = (
        tenant_reference("package_version_id", "package_versions"),
        Index("ix_package_matches_advisory", "tenant_id", "advisory_id"),
    )

    tenant_id: UUID = tenant_key()
    package_version_id: UUID = Field(primary_key=True)
    advisory_id: str = Field(
        primary_key=True, foreign_key="advisories.id", ondelete="CASCADE", max_length=128
    )
    kind: FindingKind = Field(sa_type=enum_by_value(FindingKind))
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    fixed_version: str | None = Field(default=None, max_length=256)


class UndecidedMatch(SQLModel, table=True):
    """That it cannot be known whether a record affects a package version, and why."""

    __tablename__ = "undecided_matches"
    __table_args__ = (tenant_reference("package_version_id", "package_versions"),)

    tenant_id: UUID = tenant_key()
    package_version_id: UUID = Field(primary_key=True)
    advisory_id: str = Field(
        primary_key=True, foreign_key="advisories.id", ondelete="CASCADE", max_length=128
    )
    reason: str = Field(sa_type=Text)


class AgentInventory(SQLModel, table=True):
    """What an agent reported last, so that the same again costs nothing; and its kernels."""

    __tablename__ = "agent_inventories"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # Serves the fan-out from a matched kernel to the hosts that run it.
        Index("ix_agent_inventories_running", "tenant_id", "running_kernel_id"),
    )

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    digest: str = Field(max_length=64)
    kernel_release: str = Field(default="", max_length=128)
    kernel_name: str = Field(default="", max_length=256)  # its source: linux, linux-aws, kernel
    running_kernel_id: UUID | None = None  # the package version that runs
    newest_kernel_id: UUID | None = None  # what a reboot would start
    reported_at: datetime = instant()
    listens_publicly: bool | None = None  # null: not told


class VulnerabilitySummary(SQLModel, table=True):
    """One vulnerability of one package with how many hosts have it: a row of the lists.

    Kept beside the findings, so that a list costs the same in a large fleet as in a small one.
    """

    __tablename__ = "vulnerability_summaries"
    __table_args__ = (
        # Serves the lists: worst first, then the newest id.
        Index(
            "ix_vulnerability_summaries_order",
            "tenant_id",
            "kind",
            "severity_rank",
            "advisory_id",
            "package_name",
            "ecosystem",
        ),
    )

    tenant_id: UUID = tenant_key()
    kind: FindingKind = Field(primary_key=True, sa_type=enum_by_value(FindingKind))
    advisory_id: str = Field(
        primary_key=True, foreign_key="advisories.id", ondelete="CASCADE", max_length=128
    )
    package_name: str = Field(primary_key=True, max_length=256)
    ecosystem: str = Field(primary_key=True, max_length=64)
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    severity_rank: int = severity_rank()
    affected_hosts: int
    reboot_pending_hosts: int
    exposed_hosts: int
    installed_versions: list[str] = text_list()
    fixed_versions: list[str] = text_list()
    first_hosts: list[str] = text_list()
    known_since: datetime = instant()


class FeedState(SQLModel, table=True):
    """How fresh a source of advisories is. Public knowledge."""

    __tablename__ = "advisory_feeds"

    name: str = Field(primary_key=True, max_length=128)  # `osv:Debian`, `kernel-cves`, `epss`…
    as_of: datetime | None = instant(default=None)  # the newest record
    checked_at: datetime | None = instant(default=None)  # the last success
    etag: str = Field(default="", max_length=256)
    records: int = 0
    refused: int = 0
    details: dict[str, object] = json_object()


class CveSignal(SQLModel, table=True):
    """What others know of a CVE's exploitation: EPSS and CISA KEV. Public knowledge."""

    __tablename__ = "cve_signals"

    cve_id: str = Field(primary_key=True, max_length=32)
    epss: float | None = None
    exploited_since: date | None = None


class StaleGroup(SQLModel, table=True):
    """That hosts have yet to be matched against a changed group. Public knowledge."""

    __tablename__ = "stale_advisory_groups"

    former_id: str = Field(primary_key=True, max_length=128)
    group_id: str = Field(max_length=128)
