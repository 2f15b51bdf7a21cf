"""What speaks for and against Northwind's posture, week by week, and the Tuesday it got worse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.severity import Severity
from hub.trust.commands import Signal, record_signals, take_snapshot
from hub.trust.models import TrustComponent
from seed.hosts import CONTOSO_HOSTS, NORTHWIND_HOSTS
from seed.stable import midnight

SCORE_HISTORY = timedelta(days=35)
_SCAN_HOUR = timedelta(hours=6)
_WEEK = timedelta(days=7)
_TUESDAY = 1
_SCANS = 10


@dataclass(frozen=True, slots=True)
class Source:
    """Something that scans its subjects every week and says what it found, or that all is well."""

    component: TrustComponent
    name: str
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a source found on some subjects; `since_tuesday` is what made the score drop."""

    source: str
    key: str
    title: str
    severity: Severity
    subjects: tuple[str, ...]
    since_tuesday: bool = False
    resolved_weeks_ago: int | None = None


_HOSTS = tuple(host.name for host in NORTHWIND_HOSTS)
_ONLINE = tuple(host.name for host in NORTHWIND_HOSTS if not host.offline_days)
_PRODUCTION = tuple(h.name for h in NORTHWIND_HOSTS if h.environment == "production")
_DOMAINS = tuple(f"{name}.northwind.example.com" for name in ("api", "edi", "mail", "track", "www"))

# fmt: off
NORTHWIND_SOURCES = (
    Source(TrustComponent.COMPLIANCE, "license_check",
           ("customer-portal", "edi-gateway", "label-printing", "order-api", "route-planner")),
    Source(TrustComponent.CVES, "supply_chain", _HOSTS),
    Source(TrustComponent.IDENTITY, "secrets_scan",
           ("deploy-scripts", "edi-gateway", "infrastructure", "order-api")),
    Source(TrustComponent.IDENTITY, "endpoint_posture", _ONLINE),
    Source(TrustComponent.IDENTITY, "identity_audit",
           ("deploy", "jonas@example.com", "maya@example.com", "priya@example.com",
            "tomas@example.com", "vera@example.com")),
    Source(TrustComponent.PROCESS_DNA, "container_posture", _PRODUCTION),
    Source(TrustComponent.PROCESS_DNA, "clock_check", _ONLINE),
    Source(TrustComponent.CERT_DNS, "cert_scan", _DOMAINS),
    Source(TrustComponent.CERT_DNS, "dns_check", _DOMAINS),
    Source(TrustComponent.BACKUP, "backup_check",
           ("db-prod-01", "db-prod-02", "queue-prod-01", "search-prod-01")),
    Source(TrustComponent.INCIDENT_RESPONSE, "alert_lifecycle",
           ("acknowledged within a day", "resolved within a week", "reviewed afterwards")),
)
NORTHWIND_PROBLEMS = (
    Problem("license_check", "AGPL-3.0", "Component under AGPL-3.0 in a closed product",
            Severity.MEDIUM, ("route-planner",)),
    Problem("license_check", "unlicensed", "Component without any licence", Severity.HIGH,
            ("edi-gateway", "label-printing")),
    Problem("supply_chain", "CVE-2024-6387", "OpenSSH regreSSHion is not fixed on exposed hosts",
            Severity.HIGH, ("gw-antwerp-01", "gw-hamburg-01", "gw-rotterdam-01", "scan-hamburg-01",
                            "scan-rotterdam-01", "web-edge-01")),
    Problem("supply_chain", "CVE-2023-38545", "curl's SOCKS5 overflow, where a proxy is used",
            Severity.CRITICAL, ("backup-prod-01", "db-stg-01", "web-edge-01", "web-stg-01",
                                "worker-stg-01", "worker-stg-02")),
    Problem("supply_chain", "CVE-2021-44228", "Log4Shell on the build host", Severity.CRITICAL,
            ("ci-stg-01",)),
    Problem("identity_audit", "no_totp", "No second factor", Severity.HIGH,
            ("tomas@example.com", "vera@example.com")),
    Problem("endpoint_posture", "passwords_allowed", "SSH takes passwords", Severity.MEDIUM,
            ("bastion-prod-01", "gw-hamburg-01", "gw-rotterdam-01", "web-edge-01")),
    Problem("container_posture", "privileged", "Privileged container", Severity.HIGH,
            ("queue-prod-01", "search-prod-01")),
    Problem("clock_check", "skew", "Clock is off by seconds", Severity.LOW, ("scan-hamburg-01",)),
    Problem("dns_check", "no_caa", "No CAA record", Severity.LOW, _DOMAINS),
    Problem("cert_scan", "tls10", "TLS 1.0 is still offered", Severity.HIGH,
            ("edi.northwind.example.com", "mail.northwind.example.com")),
    Problem("backup_check", "never_restored", "Restore was never tried", Severity.HIGH,
            ("queue-prod-01", "search-prod-01")),
    Problem("alert_lifecycle", "slow", "Alerts wait more than a day", Severity.HIGH,
            ("acknowledged within a day",), resolved_weeks_ago=3),
    Problem("alert_lifecycle", "no_review", "Incidents are closed without a review",
            Severity.HIGH, ("reviewed afterwards",)),
    # Last Tuesday's scan.
    Problem("secrets_scan", "cloud_access_key", "Cloud access key in a repository",
            Severity.CRITICAL, ("deploy-scripts",), since_tuesday=True),
    Problem("identity_audit", "dormant_admin", "Administrator who has not signed in for 90 days",
            Severity.HIGH, ("deploy", "jonas@example.com"), since_tuesday=True),
    Problem("supply_chain", "CVE-2022-47939", "ksmbd of the gateways can be taken over remotely",
            Severity.CRITICAL, ("gw-antwerp-01", "gw-hamburg-01", "gw-rotterdam-01"),
            since_tuesday=True),
    Problem("backup_check", "backup_failed", "No restorable backup of the last three nights",
            Severity.CRITICAL, ("db-prod-02",), since_tuesday=True),
    Problem("cert_scan", "expires_soon", "Certificate expires within ten days, renewal fails",
            Severity.HIGH, ("track.northwind.example.com",), since_tuesday=True),
    Problem("license_check", "SSPL-1.0", "Database under SSPL-1.0 offered as a service",
            Severity.HIGH, ("customer-portal", "order-api", "route-planner"), since_tuesday=True),
)
# fmt: on
CONTOSO_SOURCES = (
    Source(TrustComponent.CVES, "supply_chain", tuple(host.name for host in CONTOSO_HOSTS)),
    Source(TrustComponent.BACKUP, "backup_check", ("ehr-db-01", "imaging-01")),
)
CONTOSO_PROBLEMS = (
    Problem("supply_chain", "CVE-2024-1086", "nf_tables lets users become root", Severity.HIGH,
            ("web-edge-01",)),
)  # fmt: skip


def last_tuesday(now: datetime) -> datetime:
    """Return the newest Tuesday's scan that has run: within the last seven days."""
    scan = midnight(now) - timedelta(days=(now.weekday() - _TUESDAY) % 7) + _SCAN_HOUR
    return scan if scan <= now else scan - _WEEK


async def plant_trust(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    sources: Sequence[Source],
    problems: Sequence[Problem],
    now: datetime,
) -> None:
    """Write weekly scans and the daily scores that follow from them."""
    signals = list(_signals(sources, problems, last_tuesday(now)))
    await record_signals(session, tenant_id=tenant_id, signals=signals)
    first = midnight(now) - SCORE_HISTORY + _SCAN_HOUR + timedelta(minutes=5)
    daily = (first + timedelta(days=day) for day in range(SCORE_HISTORY.days + 1))
    for at in [*(at for at in daily if at < now), now]:
        await take_snapshot(session, tenant_id=tenant_id, at=at)


def _signals(
    sources: Sequence[Source], problems: Sequence[Problem], tuesday: datetime
) -> Iterator[Signal]:
    component_of = {source.name: source.component for source in sources}
    for weeks_ago in reversed(range(_SCANS)):
        at = tuesday - _WEEK * weeks_ago
        for source in sources:
            yield from _all_is_well(source, at)
        for problem in problems:
            yield from _found(problem, component_of[problem.source], weeks_ago, at)


def _all_is_well(source: Source, at: datetime) -> Iterator[Signal]:
    """Yield that each subject was looked at: what makes a problem on one of twenty small."""
    for subject in source.subjects:
        yield Signal(
            component=source.component,
            source=source.name,
            subject=subject,
            key="scanned",
            title="Scanned",
            severity=Severity.INFO,
            observed_at=at,
        )


def _found(
    problem: Problem, component: TrustComponent, weeks_ago: int, at: datetime
) -> Iterator[Signal]:
    if problem.since_tuesday and weeks_ago > 0:
        return
    is_over = problem.resolved_weeks_ago is not None and weeks_ago <= problem.resolved_weeks_ago
    for subject in problem.subjects:
        yield Signal(
            component=component,
            source=problem.source,
            subject=subject,
            key=problem.key,
            title=problem.title,
            severity=Severity.INFO if is_over else problem.severity,
            observed_at=at,
        )
