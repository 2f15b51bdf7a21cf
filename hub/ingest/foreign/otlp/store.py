"""Exported metrics are stored: samples, the newest figures, and the counters to compare with."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from sqlalchemy import Uuid, any_, delete, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import hour_of
from hub.fleet.commands import (
    insert_metric_samples,
    mark_late_hour,
    touch_agents,
    upsert_latest,
)
from hub.fleet.models import AgentLatest
from hub.fleet.reports import Figures, FileSystem, Sample
from hub.ingest.foreign.door import Delivery
from hub.ingest.foreign.hosts import UnknownHost, hosts_of
from hub.ingest.foreign.models import MetricCounter
from hub.ingest.foreign.otlp.counters import Counters
from hub.ingest.foreign.otlp.encoding import Rejected
from hub.ingest.foreign.otlp.figures import figures_of, is_empty
from hub.ingest.foreign.otlp.points import COUNTERS, Export, Exporter, Point, moments, read_export

# A collector may spread one collection over several requests, so a host's newest figures are put
# together from what came within this time.
_BELONGS_TOGETHER = timedelta(minutes=5)
_FORGET_COUNTERS = timedelta(days=1)
_NO_HOST = "a resource names no host (`host.name`), and the key has no default host"


async def store_export(delivery: Delivery, request: ExportMetricsServiceRequest) -> Rejected:
    """Store what the request measures; say what of it was not stored."""
    export = read_export(request, now=delivery.now, default_host=delivery.key.default_host)
    agents = await _agents(delivery, export)
    figures: dict[UUID, list[Figures]] = defaultdict(list)
    # Sorted, so that two requests about the same hosts lock their counters in one order.
    for exporter in sorted(agents, key=lambda one: (agents[one], one.stream)):
        figures[agents[exporter]] += await _measured(
            delivery, agents[exporter], exporter, export.points[exporter]
        )
    await _store(delivery, {agent: told for agent, told in figures.items() if told})
    return _rejected(export)


async def _agents(delivery: Delivery, export: Export) -> dict[Exporter, UUID]:
    """Return the agent of each exporter; points of hosts that have none are rejected."""
    wanted = [exporter for exporter in export.total if export.points.get(exporter)]
    hosts = await hosts_of(delivery, [exporter.host for exporter in wanted])
    agents: dict[Exporter, UUID] = {}
    for exporter in wanted:
        count = len(export.points[exporter])
        if exporter.host is None:
            export.reject(_NO_HOST, count)
            continue
        host = hosts[exporter.host]
        if isinstance(host, UnknownHost):
            export.reject(host.reason, count)
        else:
            agents[exporter] = host
    return agents


async def _measured(
    delivery: Delivery, agent_id: UUID, exporter: Exporter, points: list[Point]
) -> list[Figures]:
    needs_counters = any(point.metric in COUNTERS and not point.is_delta for point in points)
    counters = Counters()
    if needs_counters:
        counters = await _counters(delivery.session, agent_id, exporter.stream)
    before = counters.stored()
    told = [figures_of(moment, counters.rates(moment)) for moment in moments(points)]
    if needs_counters and counters.stored() != before:
        await _keep_counters(delivery, agent_id, exporter.stream, counters, is_new=not before)
    return [one for one in told if not is_empty(one)]


async def _counters(session: AsyncSession, agent_id: UUID, stream: str) -> Counters:
    stored = await session.scalar(
        select(col(MetricCounter.series))
        .where(col(MetricCounter.agent_id) == agent_id, col(MetricCounter.stream) == stream)
        .with_for_update()
    )
    return Counters.of(stored or {})


async def _keep_counters(
    delivery: Delivery, agent_id: UUID, stream: str, counters: Counters, *, is_new: bool
) -> None:
    told = {"at": delivery.now, "series": counters.stored()}
    await delivery.session.execute(
        postgresql.insert(MetricCounter)
        .values(tenant_id=delivery.tenant_id, agent_id=agent_id, stream=stream, **told)
        .on_conflict_do_update(index_elements=["tenant_id", "agent_id", "stream"], set_=told)
    )
    if is_new:
        # An SDK is another exporter after each restart; what it was before counts no more.
        await delivery.session.execute(
            delete(MetricCounter).where(
                col(MetricCounter.agent_id) == agent_id,
                col(MetricCounter.at) < delivery.now - _FORGET_COUNTERS,
            ),
            execution_options={"synchronize_session": False},
        )


async def _store(delivery: Delivery, figures: Mapping[UUID, Sequence[Figures]]) -> None:
    if not figures:
        return
    session, tenant_id = delivery.session, delivery.tenant_id
    samples = [_sample(agent_id, one) for agent_id in figures for one in figures[agent_id]]
    await insert_metric_samples(session, tenant_id=tenant_id, samples=samples)
    this_hour = hour_of(delivery.now)
    late = {(one.agent_id, hour_of(one.at)) for one in samples if one.at < this_hour}
    for agent_id, hour in sorted(late):
        await mark_late_hour(session, tenant_id=tenant_id, agent_id=agent_id, at=hour)
    newest = await _newest(session, figures)
    await upsert_latest(session, tenant_id=tenant_id, figures=newest, not_after=delivery.now)
    for agent_id in sorted(newest):
        at = min(newest[agent_id].at, delivery.now)
        await touch_agents(session, tenant_id=tenant_id, agent_ids=[agent_id], at=at)


async def _newest(
    session: AsyncSession, figures: Mapping[UUID, Sequence[Figures]]
) -> dict[UUID, Figures]:
    statement = (
        select(AgentLatest)
        .where(col(AgentLatest.agent_id) == any_(literal(sorted(figures), ARRAY(Uuid))))
        .order_by(col(AgentLatest.agent_id))
        .with_for_update()
    )
    rows = await session.scalars(statement, execution_options={"populate_existing": True})
    known = {row.agent_id: _figures(row) for row in rows}
    newest = {}
    for agent_id, told in figures.items():
        merged = known.get(agent_id)
        for one in sorted(told, key=lambda one: one.at):
            merged = one if merged is None else _together(merged, one)
        assert merged is not None  # noqa: S101 - agents without figures were left out
        newest[agent_id] = merged
    return newest


def _together(one: Figures, other: Figures) -> Figures:
    """Return the newer figures, with what only the older ones tell, if they are of one time."""
    newer, older = (other, one) if other.at >= one.at else (one, other)
    if newer.at - older.at > _BELONGS_TOGETHER:
        return newer
    gaps: dict[str, Any] = {
        field.name: getattr(older, field.name)
        for field in fields(Figures)
        if getattr(newer, field.name) in (None, ())
    }
    gaps |= {} if newer.disks else {"disks": older.disks}
    return replace(newer, **gaps)


def _figures(row: AgentLatest) -> Figures:
    numbers = {
        field.name: getattr(row, field.name)
        for field in fields(Figures)
        if field.name not in {"at", "disks"}
    }
    disks = row.details.get("disks", [])
    assert isinstance(disks, list)  # noqa: S101 - as `upsert_latest` writes it
    return Figures(at=row.at, disks=[FileSystem(**disk) for disk in disks], **numbers)


def _sample(agent_id: UUID, figures: Figures) -> Sample:
    return Sample(
        agent_id,
        figures.at,  # as it was told: sent again it is the same row
        cpu_percent=figures.cpu_percent,
        memory_percent=figures.memory_percent,
        disk_percent=figures.disk_percent,
        load1=figures.load1,
        rx_mbps=figures.rx_mbps,
        tx_mbps=figures.tx_mbps,
    )


def _rejected(export: Export) -> Rejected:
    words = [f"{count} points: {reason}" for reason, count in sorted(export.reasons.items())][:10]
    if export.ignored:
        # A warning with nothing rejected, as OTLP allows: an operator wants to know.
        words.append(
            f"{export.ignored} points are of metrics that this hub does not keep; they were ignored"
        )
    return Rejected(export.rejected, "; ".join(words))
