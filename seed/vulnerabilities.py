"""Which advisories hit which hosts."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.vulnerabilities.commands import (
    FindingRecord,
    record_findings,
    store_advisories,
)
from hub.vulnerabilities.feeds.signals import record_exploited
from hub.vulnerabilities.models import FindingKind, FindingState
from seed.advisories import EXPLOITED, KERNEL_ADVISORIES, PACKAGE_ADVISORIES
from seed.fleet import agent_id_in, last_seen
from seed.hosts import HostSpec
from seed.packages import vulnerable_packages

# Nobody knows of a vulnerability before it is published, nor before the hub watched the host.
_WATCHED_FOR = timedelta(days=120)


async def plant_vulnerabilities(
    session: AsyncSession, *, tenant_id: UUID, hosts: Sequence[HostSpec], now: datetime
) -> None:
    """Store the advisories and what they hit."""
    kernel = [advisory.record for advisory in KERNEL_ADVISORIES]
    await store_advisories(session, [*kernel, *PACKAGE_ADVISORIES])
    await record_exploited(session, EXPLOITED)
    findings = [
        finding
        for host in hosts
        for finding in (
            *_kernel_findings(tenant_id, host, now),
            *_package_findings(tenant_id, host, now),
        )
    ]
    await record_findings(session, tenant_id=tenant_id, findings=findings)


def _kernel_findings(tenant_id: UUID, host: HostSpec, now: datetime) -> Iterator[FindingRecord]:
    running = host.kernel.upstream
    if running is None:
        return
    installed = host.installed_kernel.upstream if host.installed_kernel else None
    for advisory in KERNEL_ADVISORIES:
        fixed = advisory.fixed_in(running)
        if fixed is None:
            continue
        is_installed = installed is not None and advisory.fixed_in(installed) is None
        yield FindingRecord(
            agent_id=agent_id_in(tenant_id, host.name),
            advisory_id=advisory.record.id,
            kind=FindingKind.KERNEL,
            ecosystem="Linux",
            package_name="Kernel",
            installed_version=host.kernel.release,
            fixed_version=".".join(map(str, fixed)),
            severity=advisory.record.severity,
            state=FindingState.REBOOT_PENDING if is_installed else FindingState.OPEN,
            seen_at=last_seen(host, now),
            first_seen_at=_first_seen(advisory.record.published_at, now),
        )


def _package_findings(tenant_id: UUID, host: HostSpec, now: datetime) -> Iterator[FindingRecord]:
    for found in vulnerable_packages(host):
        package = found.package
        yield FindingRecord(
            agent_id=agent_id_in(tenant_id, host.name),
            advisory_id=found.advisory.id,
            kind=FindingKind.PACKAGE,
            ecosystem=package.ecosystem,
            package_name=package.name,
            installed_version=package.version,
            fixed_version=found.fixed_version,
            severity=found.advisory.severity,
            seen_at=last_seen(host, now),
            first_seen_at=_first_seen(found.advisory.published_at, now),
        )


def _first_seen(published_at: datetime | None, now: datetime) -> datetime:
    watched_since = now - _WATCHED_FOR
    return max(published_at or watched_since, watched_since)
