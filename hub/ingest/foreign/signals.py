"""Signals of the Trust Score: what posture scanners, backups and certificate checks found.

A signal speaks for (`info`) or against (`low` and worse) the tenant; which part of the score it
counts in follows from its source, so a sender cannot put a finding where it does not belong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub.errors import InvalidInput
from hub.ingest.foreign.alertmanager import first_problem
from hub.ingest.foreign.bodies import parsed_json
from hub.ingest.foreign.door import Delivery
from hub.ingest.foreign.outcome import Outcome
from hub.severity import Severity
from hub.trust.commands import Signal, record_signals
from hub.trust.models import TrustComponent
from hub.trust.score import WINDOW

MAX_SIGNALS = 5_000
_MAX_CLOCK_AHEAD = timedelta(minutes=5)
COMPONENT_BY_SOURCE = {
    "supply_chain": TrustComponent.CVES,
    "license_check": TrustComponent.COMPLIANCE,
    "secrets_scan": TrustComponent.IDENTITY,
    "endpoint_posture": TrustComponent.IDENTITY,
    "identity_audit": TrustComponent.IDENTITY,
    "auth_geo": TrustComponent.IDENTITY,
    "ai_traces": TrustComponent.AI_RISK,
    "clock_check": TrustComponent.PROCESS_DNA,
    "container_posture": TrustComponent.PROCESS_DNA,
    "cert_scan": TrustComponent.CERT_DNS,
    "cert_scan_internal": TrustComponent.CERT_DNS,
    "ct_monitor": TrustComponent.CERT_DNS,
    "dns_check": TrustComponent.CERT_DNS,
    "backup_check": TrustComponent.BACKUP,
}

# One line: PostgreSQL cannot store U+0000, and lists show these in one line.
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"


class SignalItem(BaseModel):
    """What one source saw about one subject."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: Annotated[str, Field(description="Who saw it: backup_check, cert_scan…")]
    subject: Annotated[
        str,
        Field(min_length=1, max_length=300, pattern=_ONE_LINE, description="A host, a domain…"),
    ]
    key: Annotated[
        str, Field(min_length=1, max_length=200, pattern=_ONE_LINE, description="Which check.")
    ]
    severity: Severity = Field(description="info speaks for the tenant, the others against it.")
    observed_at: AwareDatetime = Field(description="When it was seen; at most 30 days ago.")
    resolved_at: AwareDatetime | None = Field(None, description="When it was over, if it is.")
    title: Annotated[str, Field(max_length=200, pattern=_ONE_LINE)] = Field(
        "", description="One line for people."
    )

    @model_validator(mode="after")
    def _ends_after_it_was_seen(self) -> "SignalItem":
        if self.resolved_at is not None and self.resolved_at < self.observed_at:
            raise ValueError("resolved_at must not be before observed_at")
        return self


@dataclass(frozen=True, slots=True)
class Signals:
    """What one request holds."""

    signals: Sequence[Signal]
    outcome: Outcome


def parse_signals(body: bytes, *, now: datetime) -> Signals:
    """Return the signals of the body, and which of them cannot be stored."""
    payload = parsed_json(body)
    items = payload.get("signals") if isinstance(payload, dict) else None
    if not isinstance(items, list) or not items:
        raise InvalidInput("The body must be an object with a list of `signals`.", field="signals")
    if len(items) > MAX_SIGNALS:
        raise InvalidInput(f"At most {MAX_SIGNALS} signals a request.", field="signals")
    outcome = Outcome()
    signals = [
        one
        for index, item in enumerate(items)
        if (one := _signal(index, item, outcome, now)) is not None
    ]
    # Told twice in one request it is one signal; the later word about it counts.
    by_identity = {(one.source, one.subject, one.key, one.observed_at): one for one in signals}
    outcome.unchanged += len(signals) - len(by_identity)
    return Signals(list(by_identity.values()), outcome)


async def store_signals(delivery: Delivery, told: Signals) -> Outcome:
    """Store the signals; one that is known already changes nothing."""
    if told.signals:
        await record_signals(
            delivery.session, tenant_id=delivery.tenant_id, signals=told.signals, at=delivery.now
        )
    told.outcome.accepted += len(told.signals)
    return told.outcome


def _signal(index: int, item: object, outcome: Outcome, now: datetime) -> Signal | None:
    try:
        read = SignalItem.model_validate(item)
    except ValidationError as error:
        outcome.refuse(index, *first_problem(error))
        return None
    component = COMPONENT_BY_SOURCE.get(read.source)
    problem = _problem(read, now)
    if component is None:
        problem = ("source", f"It must be one of {', '.join(sorted(COMPONENT_BY_SOURCE))}.")
    if problem is not None or component is None:
        outcome.refuse(index, *(problem or ("source", "")))
        return None
    return Signal(
        component=component,
        source=read.source,
        subject=read.subject,
        key=read.key,
        title=read.title,
        severity=read.severity,
        observed_at=read.observed_at,
        resolved_at=read.resolved_at,
    )


def _problem(item: SignalItem, now: datetime) -> tuple[str, str] | None:
    for name, at in (("observed_at", item.observed_at), ("resolved_at", item.resolved_at)):
        if at is not None and at > now + _MAX_CLOCK_AHEAD:
            return name, "It is more than 5 minutes ahead of the hub's clock."
    if item.observed_at < now - WINDOW:
        return "observed_at", f"It is more than {WINDOW.days} days ago and counts no more."
    return None
