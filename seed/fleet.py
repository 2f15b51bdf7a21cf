"""Hosts, five weeks of what they measured, and what is installed on them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.fleet.commands import (
    enroll_agents,
    ensure_metric_partitions,
    insert_metric_samples,
    replace_inventory,
    touch_agents,
    upsert_latest,
)
from hub.fleet.reports import HostIdentity, NewAgent, Sample
from seed.figures import Weather, grid
from seed.hosts import GIB, HostSpec
from seed.packages import packages_of
from seed.stable import rounded, stable_id

HISTORY = timedelta(days=35)
_COARSE, _FINE = timedelta(minutes=15), timedelta(minutes=1)
_FINE_SINCE = timedelta(hours=6)
_ENROLLED_BEFORE = timedelta(days=210)
_AGENT_VERSION = "0.1.0"


def agent_id_in(tenant_id: UUID, host_name: str) -> UUID:
    """Return the id that this host has in this tenant."""
    return stable_id("agent", tenant_id, host_name)


def last_seen(host: HostSpec, now: datetime) -> datetime:
    """Return when the host was heard of last."""
    return now - timedelta(days=host.offline_days)


async def plant_fleet(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    hosts: Sequence[HostSpec],
    weather: Weather,
    history: timedelta = HISTORY,
) -> None:
    """Enrol the hosts and write what they reported up to the story's now."""
    now = weather.now
    await ensure_metric_partitions(
        session, first_day=(now - history).date(), last_day=(now + timedelta(days=14)).date()
    )
    await enroll_agents(
        session, tenant_id=tenant_id, agents=[_new_agent(tenant_id, host, now) for host in hosts]
    )
    for host in hosts:
        samples = list(_samples(tenant_id, host, weather, history))
        await insert_metric_samples(session, tenant_id=tenant_id, samples=samples)
        agent_id = agent_id_in(tenant_id, host.name)
        seen_at = last_seen(host, now)
        await touch_agents(session, tenant_id=tenant_id, agent_ids=[agent_id], at=seen_at)
        await replace_inventory(
            session, tenant_id=tenant_id, agent_id=agent_id, packages=packages_of(host)
        )
    latest = {
        agent_id_in(tenant_id, host.name): weather.figures(host, last_seen(host, now))
        for host in hosts
    }
    await upsert_latest(session, tenant_id=tenant_id, figures=latest)


def _samples(
    tenant_id: UUID, host: HostSpec, weather: Weather, history: timedelta
) -> Iterator[Sample]:
    agent_id = agent_id_in(tenant_id, host.name)
    end = rounded(weather.now)
    moments = [
        *grid(end - history, end - _FINE_SINCE, _COARSE),
        *grid(end - _FINE_SINCE, end, _FINE),
    ]
    silent_since = last_seen(host, weather.now)
    for at in moments:
        if at <= silent_since:
            yield Sample(agent_id, at, *weather.measure(host, at))


def _new_agent(tenant_id: UUID, host: HostSpec, now: datetime) -> NewAgent:
    return NewAgent(
        name=host.name,
        id=agent_id_in(tenant_id, host.name),
        enrolled_at=now - _ENROLLED_BEFORE,
        identity=HostIdentity(
            tags=host.tags,
            addresses=[host.address],
            os_id=host.release.id,
            os_name=host.release.name,
            os_version=host.release.version,
            kernel_release=host.kernel.release,
            architecture="x86_64",
            cpu_count=host.cpu_count,
            memory_bytes=host.memory_gib * GIB,
            agent_version=_AGENT_VERSION,
        ),
    )
