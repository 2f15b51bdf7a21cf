"""Exported metrics are stored: samples, the newest figures, and the counters to compare with.

All of it in one transaction, so that a rate is stored with the counters that it was computed from:
after a failure in between, the time between two exports would be counted twice or not at all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from hub.fleet.landing import Measured, land_measured
from hub.fleet.reports import Figures, Sample
from hub.ingest.foreign.beside import beside
from hub.ingest.foreign.door import Delivery
from hub.ingest.foreign.hosts import UnknownHost, hosts_of
from hub.ingest.foreign.otlp.counter_store import (
    Stream,
    forget_counters,
    keep_counters,
    lock_counters,
)
from hub.ingest.foreign.otlp.counters import Counters
from hub.ingest.foreign.otlp.encoding import Rejected
from hub.ingest.foreign.otlp.figures import figures_of, is_empty
from hub.ingest.foreign.otlp.latest import newest_figures
from hub.ingest.foreign.otlp.points import COUNTERS, Export, Exporter, Point, moments, read_export
from hub.lean import LeanTransaction
from hub.pool import begun_connection

_MAX_REASONS = 10
_NO_HOST = "a resource names no host (`host.name`), and the key has no default host"

type Told = dict[UUID, list[Figures]]


class _Computed(NamedTuple):
    """What the points of an export say."""

    told: Told  # by host, without moments of which nothing is known
    counted: dict[Stream, Counters]  # those that stand elsewhere now


async def store_export(delivery: Delivery, request: ExportMetricsServiceRequest) -> Rejected:
    """Store what the request measures; say what of it was not stored."""
    size = request.ByteSize()
    export = await beside(
        size, read_export, request, now=delivery.now, default_host=delivery.key.default_host
    )
    agents = await _agents(delivery, export)
    points: dict[Stream, list[Point]] = defaultdict(list)
    for exporter, agent_id in agents.items():  # several, where resources describe one host unlike
        points[Stream(agent_id, exporter.stream)] += export.points[exporter]
    counters = await lock_counters(
        delivery.session,
        tenant_id=delivery.tenant_id,
        streams=[stream for stream, told in points.items() if _needs_counters(told)],
        now=delivery.now,
    )
    new = {stream.agent_id for stream, known in counters.items() if not known.series}
    computed = await beside(size, _compute, points, counters)
    await keep_counters(delivery.session, counters=computed.counted, now=delivery.now)
    await forget_counters(delivery.session, agent_ids=new, now=delivery.now)
    await _land(delivery, computed.told)
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


def _needs_counters(points: Sequence[Point]) -> bool:
    return any(point.metric in COUNTERS and not point.is_delta for point in points)


def _compute(
    points: Mapping[Stream, Sequence[Point]], counters: Mapping[Stream, Counters]
) -> _Computed:
    told: Told = defaultdict(list)
    counted: dict[Stream, Counters] = {}
    for stream in sorted(points):
        known = counters.get(stream) or Counters()
        before = known.stored()
        figures = [figures_of(moment, known.rates(moment)) for moment in moments(points[stream])]
        if stream in counters and known.stored() != before:
            counted[stream] = known
        told[stream.agent_id] += [one for one in figures if not is_empty(one)]
    return _Computed({agent_id: some for agent_id, some in told.items() if some}, counted)


async def _land(delivery: Delivery, told: Told) -> None:
    if not told:
        return
    newest = await newest_figures(delivery.session, tenant_id=delivery.tenant_id, told=told)
    # The session's own transaction: what lands there is committed with the counters.
    transaction = LeanTransaction(await begun_connection(delivery.session))
    await land_measured(
        transaction,
        tenant_id=delivery.tenant_id,
        measured=Measured(
            [_sample(agent_id, one) for agent_id in sorted(told) for one in told[agent_id]], newest
        ),
        partitions=delivery.partitions,
        now=delivery.now,
    )


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
    reasons = sorted(export.reasons.items())[:_MAX_REASONS]
    words = [f"{count} points: {reason}" for reason, count in reasons]
    if export.ignored:
        # A warning with nothing rejected, as OTLP allows: an operator wants to know.
        words.append(
            f"{export.ignored} points are of metrics that this hub does not keep; they were ignored"
        )
    return Rejected(export.rejected, "; ".join(words))
