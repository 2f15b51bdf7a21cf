"""Tables of the Trust Score: signals, what they add up to, weights and snapshots."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import enum_by_value, instant, json_list, json_object, tenant_key, uuid_key
from hub.severity import Severity


class TrustComponent(StrEnum):
    """The eight parts of the Trust Score."""

    COMPLIANCE = "compliance"
    CVES = "cves"
    IDENTITY = "identity"
    AI_RISK = "ai_risk"
    PROCESS_DNA = "process_dna"
    CERT_DNS = "cert_dns"
    BACKUP = "backup"
    INCIDENT_RESPONSE = "incident_response"


class TrustSignal(SQLModel, table=True):
    """Something that speaks for (info) or against (low and worse) the tenant's posture."""

    __tablename__ = "trust_signals"
    __table_args__ = (
        # The same observation sent twice is one signal.
        Index(
            "uq_trust_signals_identity",
            "tenant_id",
            "source",
            "subject",
            "key",
            "observed_at",
            unique=True,
        ),
        # Serves the score as of a moment: what was observed in the window, per component.
        Index("ix_trust_signals_window", "tenant_id", "component", "observed_at"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    component: TrustComponent = Field(sa_type=enum_by_value(TrustComponent))
    source: str = Field(max_length=64)  # supply_chain, secrets_scan, backup_check…
    subject: str = Field(max_length=300)  # whom it is about: an agent's name, a domain…
    key: str = Field(max_length=200)  # what it is about: a CVE, a check…
    title: str = Field(default="", max_length=200)
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    observed_at: datetime = instant(default_factory=utc_now)
    resolved_at: datetime | None = instant(default=None)


_IS_BAD = text("severity <> 'info' AND NOT is_resolved")


class TrustWord(SQLModel, table=True):
    """The newest word of a source about one subject and key: what counts right now."""

    __tablename__ = "trust_words"
    __table_args__ = (
        # Serves the subjects of one problem, those that have it longest first.
        Index(
            "ix_trust_words_bad",
            "tenant_id",
            "component",
            "source",
            "key",
            "since",
            "subject",
            postgresql_where=_IS_BAD,
        ),
        # Serves the job that forgets what was not seen again within the window.
        Index("ix_trust_words_observed_at", "tenant_id", "observed_at"),
    )

    tenant_id: UUID = tenant_key()
    source: str = Field(max_length=64, primary_key=True)
    subject: str = Field(max_length=300, primary_key=True)
    key: str = Field(max_length=200, primary_key=True)
    component: TrustComponent = Field(sa_type=enum_by_value(TrustComponent))
    title: str = Field(default="", max_length=200)
    severity: Severity = Field(sa_type=enum_by_value(Severity))
    observed_at: datetime = instant()
    since: datetime = instant()  # of an unbroken run of bad words: the first of them
    is_resolved: bool = False


class TrustProblem(SQLModel, table=True):
    """One (source, key), added up over its subjects."""

    __tablename__ = "trust_problems"

    tenant_id: UUID = tenant_key()
    component: TrustComponent = Field(sa_type=enum_by_value(TrustComponent), primary_key=True)
    source: str = Field(max_length=64, primary_key=True)
    key: str = Field(max_length=200, primary_key=True)
    title: str = Field(default="", max_length=200)
    # How many subjects have it, by severity.
    low: int = 0
    medium: int = 0
    high: int = 0
    critical: int = 0
    # Those of them that the source gave no info signal about, and those that had it.
    lone_low: int = 0
    lone_medium: int = 0
    lone_high: int = 0
    lone_critical: int = 0
    lone_resolved: int = 0


class TrustSource(SQLModel, table=True):
    """One source of one component, added up over its subjects."""

    __tablename__ = "trust_sources"

    tenant_id: UUID = tenant_key()
    component: TrustComponent = Field(sa_type=enum_by_value(TrustComponent), primary_key=True)
    source: str = Field(max_length=64, primary_key=True)
    looked_at: int = 0  # subjects with an info signal of this source
    words: int = 0  # the component has data as long as there is one
    is_collected: bool = False  # by the hub itself, and by nobody else


class TrustState(SQLModel, table=True):
    """The score as it is now: one row, kept current by whoever records a signal."""

    __tablename__ = "trust_states"

    tenant_id: UUID = tenant_key()
    computed_at: datetime | None = instant(default=None)
    score_total: float | None = None
    # {component: {"score": 0..100 or null, "weight": …}}
    component_scores: dict[str, dict[str, float | None]] = json_object()
    contributors: list[dict[str, object]] = json_list()
    costs: list[dict[str, object]] = json_list()
    weights_version: int = 1
    words_digest: bytes = Field(default=bytes(32), sa_type=LargeBinary)
    inputs_hash: str = Field(default="", max_length=64)


class TrustWeights(SQLModel, table=True):
    """How much each component counts; the newest version is in force."""

    __tablename__ = "trust_weights"

    tenant_id: UUID = tenant_key()
    version: int = Field(primary_key=True)
    weights: dict[str, float] = json_object()
    changed_by: str = Field(default="", max_length=254)
    changed_at: datetime = instant(default_factory=utc_now)


class TrustSnapshot(SQLModel, table=True):
    """The score as it was computed once; written only when its inputs changed, or daily."""

    __tablename__ = "trust_snapshots"
    __table_args__ = (Index("ix_trust_snapshots_newest", "tenant_id", text("computed_at DESC")),)

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    computed_at: datetime = instant(default_factory=utc_now)
    score_total: float | None = None  # None while no component has data
    # {component: {"score": 0..100 or null, "weight": …}}
    component_scores: dict[str, dict[str, float | None]] = json_object()
    # Costliest first: component, source, key, title, severity, subjects, affected, since, points.
    contributors: list[dict[str, object]] = json_list()
    # More of them, shorter: what the change between two snapshots is made of.
    costs: list[dict[str, object]] = json_list()
    weights_version: int = 1
    inputs_hash: str = Field(max_length=64)
