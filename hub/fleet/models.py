"""Tables of the fleet: agents, what they measured, what is installed on them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Index, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import instant, json_object, tenant_key, tenant_reference, text_list, uuid_key


class Agent(SQLModel, table=True):
    """A host that reports, or reported, to the hub."""

    __tablename__ = "agents"
    __table_args__ = (
        # A name means one host; lists are ordered by it.
        Index("uq_agents_tenant_id_name", "tenant_id", "name", unique=True),
        # Serves "who is silent": offline detection and the counts of the summary.
        Index("ix_agents_tenant_id_last_seen_at", "tenant_id", "last_seen_at"),
        # A machine that is enrolled again is the same server, whatever it is called now.
        Index(
            "uq_agents_machine",
            "tenant_id",
            "machine_digest",
            unique=True,
            postgresql_where=text("machine_digest IS NOT NULL"),
        ),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    name: str = Field(max_length=253)
    tags: list[str] = text_list()  # `key:value`, sorted
    os_id: str = Field(default="", max_length=64)  # ID of os-release: debian, ubuntu, alpine…
    os_name: str = Field(default="", max_length=128)  # PRETTY_NAME of os-release
    os_version: str = Field(default="", max_length=64)  # VERSION_ID of os-release
    kernel_release: str = Field(default="", max_length=128)  # `uname -r`: the running kernel
    architecture: str = Field(default="", max_length=32)
    cpu_count: int | None = None
    memory_bytes: int | None = Field(default=None, sa_type=BigInteger)
    addresses: list[str] = text_list()
    agent_version: str = Field(default="", max_length=32)
    enrolled_at: datetime = instant(default_factory=utc_now)
    last_seen_at: datetime | None = instant(default=None)
    # SHA-256 of the machine's own id, salted with our name: it identifies, and tells nothing.
    machine_digest: str | None = Field(default=None, max_length=64)
    # Retired: it may not report until it is enrolled again, and takes no place of the plan.
    retired_at: datetime | None = instant(default=None)
    # False for a host that is only known from what other tools say about it.
    is_enrolled: bool = Field(
        default=True, sa_type=Boolean, sa_column_kwargs={"server_default": text("true")}
    )


class EnrolmentToken(SQLModel, table=True):
    """What lets one machine enrol, once and soon; only its digest is stored."""

    __tablename__ = "enrolment_tokens"
    __table_args__ = (
        Index("ix_enrolment_tokens_tenant_id_expires_at", "tenant_id", "expires_at"),
        tenant_reference("agent_id", "agents"),
    )

    digest: str = Field(primary_key=True, max_length=64)
    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    name: str | None = Field(default=None, max_length=253)  # the only host it is good for, if any
    tags: list[str] = text_list()
    made_by: str = Field(max_length=254)
    created_at: datetime = instant(default_factory=utc_now)
    expires_at: datetime = instant()
    used_at: datetime | None = instant(default=None)
    agent_id: UUID | None = None  # the host that used it


class AgentKey(SQLModel, table=True):
    """The Ed25519 public key that was pinned when a machine enrolled; it signs each report."""

    __tablename__ = "agent_keys"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        # One living key an agent: enrolling again retires the one before.
        Index(
            "uq_agent_keys_living",
            "tenant_id",
            "agent_id",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_agent_keys_tenant_id_agent_id", "tenant_id", "agent_id"),
    )

    digest: str = Field(primary_key=True, max_length=64)  # SHA-256 of the key: how it is named
    tenant_id: UUID
    agent_id: UUID
    public_key: bytes = Field(sa_type=LargeBinary)
    last_sequence: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )
    pinned_at: datetime = instant(default_factory=utc_now)
    revoked_at: datetime | None = instant(default=None)
    # Of what the host last told of itself: a report that tells the same again is a plain one.
    identity_digest: str | None = Field(default=None, max_length=32)


class AgentLatest(SQLModel, table=True):
    """The newest figures of one agent: one row each, so lists never read the history."""

    __tablename__ = "agent_latest"
    __table_args__ = (tenant_reference("agent_id", "agents"),)

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    at: datetime = instant()
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None  # of the fullest file system
    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    rx_mbps: float | None = None
    tx_mbps: float | None = None
    # Under `disks`, one object a file system: mount, device, used_percent, used_bytes, total_bytes.
    details: dict[str, object] = json_object()


class MetricSample(SQLModel, table=True):
    """What one agent measured at one moment. Partitioned by time, one partition a week."""

    __tablename__ = "metric_samples"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "agent_id", "at"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    tenant_id: UUID
    agent_id: UUID
    at: datetime = instant()
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    load1: float | None = None
    rx_mbps: float | None = None
    tx_mbps: float | None = None


class PackageVersion(SQLModel, table=True):
    """One distinct package version of a fleet: matched once, however many hosts have it."""

    __tablename__ = "package_versions"
    __table_args__ = (
        Index(
            "uq_package_versions_identity",
            "tenant_id",
            "ecosystem",
            "name",
            "version",
            "source_name",
            "source_version",
            unique=True,
        ),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    ecosystem: str = Field(max_length=64)  # OSV's spelling: `Debian:12`, `npm`…
    name: str = Field(max_length=256)
    version: str = Field(max_length=256)
    source_name: str = Field(default="", max_length=256)
    source_version: str = Field(default="", max_length=256)


class AgentPackage(SQLModel, table=True):
    """That a package version is installed on an agent."""

    __tablename__ = "agent_packages"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        tenant_reference("package_version_id", "package_versions"),
        # Serves the fan-out from one matched version to its hosts.
        Index("ix_agent_packages_version", "tenant_id", "package_version_id"),
    )

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    package_version_id: UUID = Field(primary_key=True)
    # Who told of it: `agent`, or a bill of materials. It is gone when nobody tells of it any more.
    sources: list[str] = Field(
        default_factory=lambda: ["agent"],
        sa_type=ARRAY(Text),
        nullable=False,
        sa_column_kwargs={"server_default": text("'{agent}'")},
    )
