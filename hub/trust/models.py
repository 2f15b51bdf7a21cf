"""Tables of the Trust Score: signals, weights and snapshots."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import enum_by_value, instant, json_object, tenant_key, uuid_key
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
        # Serves the score: what was observed in the window, per component.
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
    contributors: list[dict[str, object]] = json_object()
    weights_version: int = 1
    inputs_hash: str = Field(max_length=64)
