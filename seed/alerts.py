"""What is wrong at Northwind right now, and what was."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import AlertCategory
from hub.severity import Severity
from seed.fleet import agent_id_in


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """One alert: when it opened and, if it is over, how long it lasted."""

    host: str
    rule: str
    category: AlertCategory
    severity: Severity
    opened_ago: timedelta
    title: str
    description: str
    lasted: timedelta | None = None


def _hours(hours: float) -> timedelta:
    return timedelta(hours=hours)


def _days(days: float) -> timedelta:
    return timedelta(days=days)


# fmt: off
NORTHWIND_ALERTS = (
    AlertSpec("db-prod-02", "disk_full", AlertCategory.CAPACITY, Severity.CRITICAL, _hours(7),
              "Disk /var/lib/postgresql is 94 % full",
              "Write-ahead log piles up since the replication slot of the old replica stopped"
              " being read; full in about two days at this pace."),
    AlertSpec("gw-antwerp-01", "offline", AlertCategory.AVAILABILITY, Severity.CRITICAL,
              _days(3.4), "Gateway Antwerp is offline",
              "No report for more than 90 seconds; the site's second uplink is down as well."),
    AlertSpec("backup-prod-01", "backup_failed", AlertCategory.BACKUP, Severity.CRITICAL,
              _hours(11), "Backup of db-prod-02 failed for the third night",
              "pg_basebackup ended with a timeout; the newest restorable backup is four days old."),
    AlertSpec("api-prod-03", "memory_high", AlertCategory.PERFORMANCE, Severity.HIGH, _hours(14),
              "Memory above 90 %",
              "Grows by about 8 points a day since the deployment six days ago."),
    AlertSpec("worker-stg-01", "cpu_high", AlertCategory.PERFORMANCE, Severity.HIGH, _hours(4.9),
              "CPU above 95 % for more than an hour", "One process takes nearly all of it."),
    AlertSpec("web-edge-01", "failed_sign_ins", AlertCategory.SECURITY, Severity.HIGH, _hours(30),
              "Unusual number of failed SSH sign-ins", "See the detections of this host."),
    AlertSpec("lb-prod-01", "certificate_expiring", AlertCategory.CERTIFICATE, Severity.HIGH,
              _days(4.2), "Certificate of track.northwind.example.com expires in 5 days",
              "Automatic renewal fails: the DNS challenge is refused."),
    AlertSpec("worker-stg-02", "offline", AlertCategory.AVAILABILITY, Severity.MEDIUM, _days(9.2),
              "Worker is offline", "No report for more than 90 seconds."),
    AlertSpec("search-prod-01", "disk_full", AlertCategory.CAPACITY, Severity.MEDIUM, _days(2.1),
              "Disk /var/lib/opensearch is above 70 %", "Old indices are not being deleted."),
    AlertSpec("ci-stg-01", "disk_full", AlertCategory.CAPACITY, Severity.MEDIUM, _days(1.3),
              "Disk / is above 80 %", "Build caches."),
    AlertSpec("gw-hamburg-01", "packet_loss", AlertCategory.NETWORK, Severity.MEDIUM, _hours(20),
              "Packet loss to the data centre above 2 %", "Measured over the site's VPN."),
    AlertSpec("bastion-prod-01", "reboot_pending", AlertCategory.SECURITY, Severity.LOW, _days(6.5),
              "Security updates wait for a restart of services", "Eleven services use old files."),
    AlertSpec("scan-hamburg-01", "clock_skew", AlertCategory.NETWORK, Severity.LOW, _days(3.7),
              "Clock is 4 seconds off", "NTP is not reachable from the site's network."),
    AlertSpec("db-prod-01", "replication_lag", AlertCategory.AVAILABILITY, Severity.HIGH,
              _days(4.0), "Replication lag above 60 seconds", "During the nightly import.",
              lasted=_hours(0.7)),
    AlertSpec("api-prod-01", "error_rate", AlertCategory.AVAILABILITY, Severity.CRITICAL,
              _days(5.9), "Order API answers 5 % of requests with an error",
              "Began with a deployment, ended with its rollback.", lasted=_hours(0.4)),
    AlertSpec("lb-prod-01", "tx_high", AlertCategory.NETWORK, Severity.MEDIUM, _days(8.3),
              "Sends more than 100 Mbit/s", "A partner fetched its whole archive.",
              lasted=_hours(2.2)),
    AlertSpec("queue-prod-01", "queue_depth", AlertCategory.PERFORMANCE, Severity.HIGH,
              _days(12.6), "200,000 messages wait", "A consumer had stopped.", lasted=_hours(1.1)),
    AlertSpec("web-edge-02", "certificate_expiring", AlertCategory.CERTIFICATE, Severity.MEDIUM,
              _days(21.0), "Certificate of www.northwind.example.com expires in 14 days", "",
              lasted=_days(2)),
    AlertSpec("backup-prod-01", "disk_full", AlertCategory.CAPACITY, Severity.HIGH, _days(26.0),
              "Disk /srv/backup is above 90 %", "Solved by pruning.", lasted=_days(1)),
)
CONTOSO_ALERTS = (
    AlertSpec("imaging-01", "disk_full", AlertCategory.CAPACITY, Severity.CRITICAL, _hours(3),
              "Disk /srv/dicom is above 88 %", "Grows by 90 GiB a day."),
    AlertSpec("ehr-db-01", "replication_lag", AlertCategory.AVAILABILITY, Severity.HIGH, _hours(6),
              "Replication lag above 60 seconds", "The standby is behind."),
    AlertSpec("web-edge-01", "cpu_high", AlertCategory.PERFORMANCE, Severity.MEDIUM, _days(1),
              "CPU above 85 % for more than an hour", ""),
)
# fmt: on


async def plant_alerts(
    session: AsyncSession, *, tenant_id: UUID, alerts: tuple[AlertSpec, ...], now: datetime
) -> None:
    """Store open and resolved alerts."""
    await record_alerts(
        session,
        tenant_id=tenant_id,
        alerts=[_new_alert(tenant_id, alert, now) for alert in alerts],
    )


def _new_alert(tenant_id: UUID, alert: AlertSpec, now: datetime) -> NewAlert:
    opened_at = now - alert.opened_ago
    return NewAlert(
        fingerprint=f"{alert.rule}:{alert.host}",
        category=alert.category,
        severity=alert.severity,
        title=alert.title,
        description=alert.description,
        agent_id=agent_id_in(tenant_id, alert.host),
        opened_at=opened_at,
        resolved_at=opened_at + alert.lasted if alert.lasted else None,
    )
