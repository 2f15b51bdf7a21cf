"""A tenant with a row of everything, and every name by which somebody might ask for its rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hub.alerts.metrics import RuleMetric, RuleOperator
from hub.alerts.models import Alert, AlertCategory
from hub.alerts.rule_models import AlertMute, AlertRule, MaintenanceWindow
from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.database import Database
from hub.detections.events import EventKind
from hub.detections.intake_models import DetectionRuleSettings, StoredEvent
from hub.detections.models import (
    Detection,
    DetectionAction,
    DetectionEvent,
    DetectionHistory,
    RuleKind,
)
from hub.fleet.models import (
    Agent,
    AgentLatest,
    AgentPackage,
    EnrolmentToken,
    MetricSample,
    PackageVersion,
)
from hub.ingest.keys.models import IngestKey, IngestSource
from hub.severity import Severity
from hub.sla.models import SlaIndicator, SlaObservation, SlaTarget
from hub.tenancy.models import Tenant
from hub.trust.models import TrustComponent, TrustSignal, TrustSnapshot
from hub.vulnerabilities.matching_models import UndecidedMatch
from hub.vulnerabilities.models import Advisory, Finding, FindingKind


@dataclass(frozen=True)
class Names:
    """Ids and names, fixed before the rows exist."""

    mark: str  # stands in every text of the tenant
    agent_id: UUID
    alert_id: UUID
    detection_id: UUID

    @classmethod
    def new(cls) -> "Names":
        """Return names that nobody else has."""
        return cls(f"foreign-{uuid4().hex[:12]}", uuid4(), uuid4(), uuid4())

    @property
    def number(self) -> str:
        """Return the detection's number."""
        return f"DEV-2026-{int(self.mark[-6:], 16):04}"

    @property
    def advisory_id(self) -> str:
        """Return the advisory's id."""
        return f"CVE-2026-{int(self.mark[-6:], 16):04}"

    def all(self) -> list[str]:
        """Return everything that a person might type to ask for a row of the tenant."""
        ids = (self.agent_id, self.alert_id, self.detection_id)
        return [self.mark, self.number, self.advisory_id, *map(str, ids)]


async def populate(database: Database, tenant: Tenant, names: Names, *, now: datetime) -> None:
    """Store one row of everything that can be read."""
    layers = (_roots, _detection, _quiet, _history, _vulnerabilities, _figures)
    async with database.transaction(tenant_id=tenant.id) as session:
        for layer in layers:
            session.add_all(layer(tenant.id, names, now))
            await session.flush()
        event = AuditEvent(
            event_type=EventType.SIGNED_IN,
            actor=names.mark,
            actor_kind="session",
            details={"mark": names.mark},
            body=names.mark,
        )
        await append_events(session, tenant_id=tenant.id, events=[event], at=now)


def _roots(tenant_id: UUID, names: Names, now: datetime) -> list[object]:
    mark = names.mark
    return [
        Agent(
            tenant_id=tenant_id,
            id=names.agent_id,
            name=mark,
            tags=[mark],
            kernel_release=mark,
            addresses=[mark],
            last_seen_at=now,
        ),
        SlaTarget(
            tenant_id=tenant_id,
            id=names.agent_id,
            name=mark,
            objective=0.99,
            indicator=SlaIndicator.AGENT_UP,
        ),
        PackageVersion(
            tenant_id=tenant_id, id=names.agent_id, ecosystem="npm", name=mark, version="1"
        ),
        Advisory(id=names.advisory_id, severity=Severity.HIGH, modified_at=now, aliases=[mark]),
        TrustSnapshot(
            tenant_id=tenant_id,
            score_total=50,
            inputs_hash="",
            computed_at=now,
            component_scores={
                component.value: {"score": 50.0, "weight": 12.5} for component in TrustComponent
            },
        ),
        TrustSignal(
            tenant_id=tenant_id,
            component=TrustComponent.CVES,
            source=mark,
            subject=mark,
            key=mark,
            title=mark,
            severity=Severity.HIGH,
            observed_at=now,
        ),
    ]


def _detection(tenant_id: UUID, names: Names, now: datetime) -> list[object]:
    mark = names.mark
    return [
        Alert(
            tenant_id=tenant_id,
            id=names.alert_id,
            agent_id=names.agent_id,
            fingerprint=mark,
            category=AlertCategory.SECURITY,
            severity=Severity.HIGH,
            title=mark,
        ),
        DetectionRuleSettings(
            tenant_id=tenant_id,
            rule_kind=RuleKind.NEW_USER,
            ignored_subjects=[mark],
            changed_by=mark,
            changed_at=now,
        ),
        StoredEvent(
            tenant_id=tenant_id,
            id=names.detection_id,
            agent_id=names.agent_id,
            kind=EventKind.USER_ADDED,
            at=now,
            received_at=now,
            summary=mark,
            target_user=mark,
            source_address=mark,
            raw=mark,
        ),
        Detection(
            tenant_id=tenant_id,
            id=names.detection_id,
            number=names.number,
            agent_id=names.agent_id,
            rule_kind=RuleKind.NEW_USER,
            technique="T1136",
            severity=Severity.HIGH,
            title=mark,
            first_seen_at=now,
            last_seen_at=now,
            source_address=mark,
            target_user=mark,
        ),
    ]


def _quiet(tenant_id: UUID, names: Names, now: datetime) -> list[object]:
    mark = names.mark
    later = now + timedelta(hours=1)
    return [
        EnrolmentToken(
            digest=names.alert_id.hex * 2,
            tenant_id=tenant_id,
            name=mark,
            tags=[mark],
            made_by=mark,
            expires_at=later,
        ),
        IngestKey(
            digest=names.alert_id.hex[::-1] * 2,
            tenant_id=tenant_id,
            id=names.alert_id,
            source=IngestSource.FALCO,
            name=mark,
            made_by=mark,
        ),
        AlertRule(
            tenant_id=tenant_id,
            id=names.alert_id,
            name=mark,
            metric=RuleMetric.CPU_PCT,
            operator=RuleOperator.GT,
            threshold=90,
            severity=Severity.HIGH,
            category=AlertCategory.PERFORMANCE,
            template="cpu_high",
        ),
        AlertMute(tenant_id=tenant_id, id=names.alert_id, agent_id=names.agent_id, reason=mark),
        MaintenanceWindow(
            tenant_id=tenant_id,
            id=names.alert_id,
            tag=mark,
            starts_at=now,
            ends_at=later,
            reason=mark,
        ),
        Webhook(
            tenant_id=tenant_id,
            id=names.alert_id,
            name=mark,
            url_sealed=b"",
            shown_url=mark,
            secret_sealed=b"",
        ),
    ]


def _history(tenant_id: UUID, names: Names, now: datetime) -> list[object]:
    mark = names.mark
    return [
        DetectionEvent(
            tenant_id=tenant_id, detection_id=names.detection_id, at=now, summary=mark, raw=mark
        ),
        WebhookDelivery(
            tenant_id=tenant_id,
            id=names.detection_id,
            webhook_id=names.alert_id,
            event=WebhookEvent.ALERT_OPENED,
            subject_id=names.alert_id,
            state=DeliveryState.DELIVERED,
        ),
        DetectionHistory(
            tenant_id=tenant_id,
            detection_id=names.detection_id,
            at=now,
            action=DetectionAction.REOPENED,
            user_label=mark,
            via="session",
            note=mark,
        ),
    ]


def _vulnerabilities(tenant_id: UUID, names: Names, now: datetime) -> list[object]:
    return [
        AgentPackage(
            tenant_id=tenant_id, agent_id=names.agent_id, package_version_id=names.agent_id
        ),
        UndecidedMatch(
            tenant_id=tenant_id,
            package_version_id=names.agent_id,
            advisory_id=names.advisory_id,
            reason=names.mark,
        ),
        *(
            Finding(
                tenant_id=tenant_id,
                agent_id=names.agent_id,
                advisory_id=names.advisory_id,
                kind=kind,
                ecosystem="npm",
                package_name=f"{kind}-{names.mark}",
                installed_version="1",
                severity=Severity.HIGH,
                first_seen_at=now,
            )
            for kind in FindingKind
        ),
    ]


def _figures(tenant_id: UUID, names: Names, now: datetime) -> list[object]:
    return [
        AgentLatest(
            tenant_id=tenant_id,
            agent_id=names.agent_id,
            at=now,
            cpu_percent=1.0,
            details={"disks": [_disk(names.mark)]},
        ),
        MetricSample(
            tenant_id=tenant_id,
            agent_id=names.agent_id,
            at=now - timedelta(hours=1),
            cpu_percent=1.0,
        ),
        SlaObservation(
            tenant_id=tenant_id,
            target_id=names.agent_id,
            at=now - timedelta(minutes=10),
            good_seconds=300,
            bad_seconds=0,
        ),
    ]


def _disk(mark: str) -> dict[str, object]:
    return {
        "mount": mark,
        "device": mark,
        "used_percent": 1.0,
        "used_bytes": 1,
        "total_bytes": 100,
    }
