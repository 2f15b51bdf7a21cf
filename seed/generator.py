"""A synthetic tenant of any size, for measurements: plausible curves, no story.

Samples go through the domain's own bulk insert. Two connections share the hosts, so that one
encodes while PostgreSQL works for the other.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import AlertCategory
from hub.database import Database
from hub.detections.commands import NewDetection, record_detections
from hub.detections.models import RuleKind
from hub.fleet.commands import (
    enroll_agents,
    ensure_metric_partitions,
    insert_metric_samples,
    touch_agents,
    upsert_latest,
)
from hub.fleet.reports import Figures, FileSystem, HostIdentity, NewAgent, Sample
from hub.severity import Severity
from hub.tenancy.commands import create_tenant
from hub.vulnerabilities.commands import FindingRecord, record_findings, store_advisories
from hub.vulnerabilities.models import FindingKind
from seed.advisories import PACKAGE_ADVISORIES
from seed.stable import daily_wave, rounded, stable_id

type Progress = Callable[[str], None]

_WRITERS = 2
_HOSTS_A_BATCH = 500
_SAMPLES_A_STATEMENT = 20_000
_ROLES = ("api", "cache", "database", "queue", "web", "worker")
_ENVIRONMENTS = ("edge", "production", "production", "staging")
_REGIONS = ("ap-south", "eu-north", "eu-west", "us-east")
_HOSTS_AN_ALERT, _HOSTS_A_DETECTION, _ADVISORIES_A_HOST = 12, 40, 4


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How much to write."""

    agents: int
    days: int
    resolution_minutes: int = 60

    @property
    def samples_a_host(self) -> int:
        """How many samples each host has."""
        return self.days * 24 * 60 // self.resolution_minutes


@dataclass(frozen=True, slots=True)
class _Host:
    id: UUID
    name: str
    index: int
    level: float  # how busy it is, 0 to 1


@dataclass(frozen=True, slots=True)
class _Curve:
    """One row of the history for a host of level 1 and one of level 0."""

    at: datetime
    wave: float


async def generate(
    database: Database,
    *,
    slug: str,
    size: FleetSize,
    seed: int,
    now: datetime,
    progress: Progress = lambda _: None,
) -> int:
    """Write the tenant and return how many samples it has. The same seed and now, the same data."""
    tenant_id = stable_id("tenant", slug)
    hosts = list(_hosts(tenant_id, size, seed))
    await _make_tenant(database, tenant_id, slug=slug, size=size, now=now)
    for batch in batched(hosts, _HOSTS_A_BATCH):
        await _enrol(database, tenant_id, batch, now)
    await _make_trouble(database, tenant_id, hosts, now)
    await _write_history(database, tenant_id, hosts, size=size, now=now, progress=progress)
    return size.samples_a_host * size.agents


def _hosts(tenant_id: UUID, size: FleetSize, seed: int) -> Iterator[_Host]:
    chance = random.Random(f"{seed}/fleet")  # noqa: S311 - test data, not a secret
    for index in range(size.agents):
        name = f"{_ROLES[index % len(_ROLES)]}-{index:05}"
        yield _Host(stable_id("agent", tenant_id, name), name, index, chance.random())


async def _make_tenant(
    database: Database, tenant_id: UUID, *, slug: str, size: FleetSize, now: datetime
) -> None:
    async with database.transaction() as session:
        await create_tenant(
            session,
            tenant_id=tenant_id,
            name=slug,
            slug=slug,
            plan="benchmark",
            server_limit=size.agents,
            has_default_rules=False,  # its alerts are told
            claude_may_read=True,
            claude_may_acknowledge=True,
            at=now - timedelta(days=size.days),
        )
        await ensure_metric_partitions(
            session,
            first_day=(now - timedelta(days=size.days + 1)).date(),
            last_day=(now + timedelta(days=14)).date(),
        )


async def _enrol(
    database: Database, tenant_id: UUID, hosts: Sequence[_Host], now: datetime
) -> None:
    async with database.transaction(tenant_id=tenant_id) as session:
        agents = [_new_agent(host, now) for host in hosts]
        await enroll_agents(session, tenant_id=tenant_id, agents=agents)
        await touch_agents(
            session, tenant_id=tenant_id, agent_ids=[host.id for host in hosts], at=now
        )
        latest = {host.id: _figures(host, now) for host in hosts}
        await upsert_latest(session, tenant_id=tenant_id, figures=latest)


async def _make_trouble(
    database: Database, tenant_id: UUID, hosts: Sequence[_Host], now: datetime
) -> None:
    """Write alerts, detections and findings in proportion to the fleet."""
    async with database.transaction(tenant_id=tenant_id) as session:
        alerts = [_alert(host, now) for host in hosts[::_HOSTS_AN_ALERT]]
        await record_alerts(session, tenant_id=tenant_id, alerts=alerts)
        detections = [_detection(host, now) for host in hosts[::_HOSTS_A_DETECTION]]
        await record_detections(session, tenant_id=tenant_id, detections=detections)
        await store_advisories(session, PACKAGE_ADVISORIES)
        findings = [finding for host in hosts for finding in _findings(host, now)]
        await record_findings(session, tenant_id=tenant_id, findings=findings)


async def _write_history(
    database: Database,
    tenant_id: UUID,
    hosts: Sequence[_Host],
    *,
    size: FleetSize,
    now: datetime,
    progress: Progress,
) -> None:
    curve = _curve(size, now)
    a_statement = max(1, _SAMPLES_A_STATEMENT // len(curve))
    batches = batched(hosts, a_statement)  # shared: each writer takes the next
    written = 0

    async def write() -> None:
        nonlocal written
        for batch in batches:
            samples = [sample for host in batch for sample in _samples(host, curve)]
            async with database.transaction(tenant_id=tenant_id) as session:
                await insert_metric_samples(session, tenant_id=tenant_id, samples=samples)
            written += len(batch)
            progress(f"{written:,} of {size.agents:,} hosts")

    async with asyncio.TaskGroup() as group:
        for _ in range(_WRITERS):
            group.create_task(write())


def _curve(size: FleetSize, now: datetime) -> list[_Curve]:
    step, end = timedelta(minutes=size.resolution_minutes), rounded(now)
    moments = (end - step * (count + 1) for count in range(size.samples_a_host))
    return [_Curve(at, daily_wave(at, peak_hour=14.0)) for at in reversed(list(moments))]


def _samples(host: _Host, curve: Sequence[_Curve]) -> Iterator[Sample]:
    """Yield the host's history: the fleet's wave, scaled by how busy the host is."""
    identity, base, swing = host.id, 4 + 40 * host.level, 15 + 40 * host.level
    memory, disk = 25 + 60 * host.level, 20 + 70 * ((host.index * 37) % 100) / 100
    for at, wave in ((one.at, one.wave) for one in curve):
        cpu = base + swing * wave
        yield Sample(identity, at, cpu, memory + 5 * wave, disk, cpu / 25, 9 * wave, 12 * wave)


def _figures(host: _Host, at: datetime) -> Figures:
    cpu = 4 + 40 * host.level
    disk = 20 + 70 * ((host.index * 37) % 100) / 100
    return Figures(
        at=at,
        cpu_percent=round(cpu, 1),
        memory_percent=round(25 + 60 * host.level, 1),
        load1=round(cpu / 25, 2),
        load5=round(cpu / 26, 2),
        load15=round(cpu / 27, 2),
        rx_mbps=round(9 * math.sin(host.level), 2),
        tx_mbps=round(12 * math.sin(host.level), 2),
        disks=[FileSystem(mount="/", device="/dev/vda1", used_percent=round(disk, 1))],
    )


def _new_agent(host: _Host, now: datetime) -> NewAgent:
    index = host.index
    environment = _ENVIRONMENTS[index % len(_ENVIRONMENTS)]
    return NewAgent(
        name=host.name,
        id=host.id,
        enrolled_at=now - timedelta(days=90),
        identity=HostIdentity(
            tags=[
                f"env:{environment}",
                f"region:{_REGIONS[(index // 7) % len(_REGIONS)]}",
                f"role:{_ROLES[index % len(_ROLES)]}",
            ],
            addresses=[f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"],
            os_id="debian",
            os_name="Debian GNU/Linux 12 (bookworm)",
            os_version="12",
            kernel_release="6.1.0-28-amd64",
            architecture="x86_64",
            cpu_count=4,
            memory_bytes=8 * 1024**3,
        ),
    )


def _alert(host: _Host, now: datetime) -> NewAlert:
    severities = list(Severity)
    return NewAlert(
        fingerprint=f"cpu_high:{host.name}",
        category=AlertCategory.PERFORMANCE,
        severity=severities[host.index // _HOSTS_AN_ALERT % len(severities)],
        title="CPU above 85 % for more than an hour",
        description="Measured over the last hour.",
        agent_id=host.id,
        opened_at=now - timedelta(minutes=host.index % 10_000),
    )


def _detection(host: _Host, now: datetime) -> NewDetection:
    kinds = list(RuleKind)
    seen_at = now - timedelta(minutes=host.index % 40_000)
    return NewDetection(
        agent_id=host.id,
        rule_kind=kinds[host.index // _HOSTS_A_DETECTION % len(kinds)],
        title="Something that a rule found",
        first_seen_at=seen_at,
        last_seen_at=seen_at,
        source_address=f"203.0.113.{host.index % 250}",
    )


def _findings(host: _Host, now: datetime) -> Iterator[FindingRecord]:
    for step in range(_ADVISORIES_A_HOST):
        advisory = PACKAGE_ADVISORIES[(host.index + step * 3) % len(PACKAGE_ADVISORIES)]
        yield FindingRecord(
            agent_id=host.id,
            advisory_id=advisory.id,
            kind=FindingKind.PACKAGE,
            ecosystem="npm" if advisory.id.startswith("GHSA") else "Debian:12",
            package_name=f"package-{advisory.id.lower()}",
            installed_version="1.0.0",
            fixed_version="1.0.1",
            severity=advisory.severity,
            seen_at=now,
            first_seen_at=now - timedelta(days=30),
        )
