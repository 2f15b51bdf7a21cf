"""From an OTLP request to the points that we keep: by exporter and by moment, names made one.

The conventions for hosts changed their attributes between versions: `state` became `cpu.mode`,
`system.memory.state` and so on. Both are read as the same thing.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from hub.fleet.commands import MAX_REPORT_AGE
from hub.ingest.foreign.hosts import HostHint, hint_of
from hub.ingest.foreign.words import one_line

MAX_POINTS = 200_000
MAX_CLOCK_AHEAD = timedelta(minutes=5)
# Scrapers of one collection stamp their points one after the other.
_ONE_MOMENT_NS = 2_000_000_000

# What is kept of each metric: how its attributes are called, the oldest spelling last.
_ATTRIBUTES: dict[str, tuple[tuple[str, ...], ...]] = {
    "system.cpu.time": (("cpu.mode", "state"), ("cpu.logical_number", "cpu")),
    "system.cpu.utilization": (("cpu.mode", "state"), ("cpu.logical_number", "cpu")),
    "system.cpu.load_average.1m": (),
    "system.cpu.load_average.5m": (),
    "system.cpu.load_average.15m": (),
    "system.memory.usage": (("system.memory.state", "state"),),
    "system.memory.utilization": (("system.memory.state", "state"),),
    "system.memory.limit": (),
    "system.linux.memory.available": (),
    "system.filesystem.usage": (
        ("system.filesystem.state", "state"),
        ("system.filesystem.mountpoint", "mountpoint"),
        ("system.filesystem.type", "type"),
        ("system.device", "device"),
    ),
    "system.filesystem.utilization": (
        ("system.filesystem.state", "state"),
        ("system.filesystem.mountpoint", "mountpoint"),
        ("system.filesystem.type", "type"),
        ("system.device", "device"),
    ),
    "system.network.io": (
        ("network.io.direction", "direction"),
        ("network.interface.name", "system.device", "device"),
    ),
}
COUNTERS = frozenset({"system.cpu.time", "system.network.io"})
_HOST_ATTRIBUTES = ("host.name", "k8s.node.name", "host.id")


class Point(NamedTuple):
    """One number of one series."""

    metric: str
    labels: tuple[str, ...]  # in the order of the metric's attributes
    value: float
    start_ns: int
    time_ns: int
    is_delta: bool = False


class Exporter(NamedTuple):
    """Who exports: which host, and which program on it, for two may count the same things."""

    host: HostHint | None
    stream: str


@dataclass(slots=True)
class Export:
    """What one request holds."""

    points: dict[Exporter, list[Point]] = field(default_factory=lambda: defaultdict(list))
    total: dict[Exporter, int] = field(default_factory=lambda: defaultdict(int))
    rejected: int = 0
    ignored: int = 0
    reasons: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def reject(self, reason: str, count: int = 1) -> None:
        """Count points that are not stored."""
        self.rejected += count
        self.reasons[reason] += count


def read_export(
    request: ExportMetricsServiceRequest, *, now: datetime, default_host: str | None = None
) -> Export:
    """Sort the points of a request; what cannot be stored is counted with the reason."""
    export = Export()
    oldest = int((now - MAX_REPORT_AGE).timestamp() * 1e9)
    newest = int((now + MAX_CLOCK_AHEAD).timestamp() * 1e9)
    for resource in request.resource_metrics:
        exporter = _exporter(resource.resource.attributes, default_host)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = _data(metric)
                points = data.data_points if data is not None else ()
                export.total[exporter] += len(points)
                if metric.name not in _ATTRIBUTES:
                    export.ignored += len(points)
                    continue
                for point in _points(metric.name, data, points, export):
                    if not oldest <= point.time_ns <= newest:
                        export.reject("a time is missing, older than 7 days or ahead of the clock")
                    else:
                        export.points[exporter].append(point)
    return export


def moments(points: Iterable[Point]) -> Iterator[list[Point]]:
    """Yield the points of each collection, in the order of time."""
    moment: list[Point] = []
    for point in sorted(points, key=lambda one: one.time_ns):
        if moment and point.time_ns - moment[0].time_ns > _ONE_MOMENT_NS:
            yield moment
            moment = []
        moment.append(point)
    if moment:
        yield moment


def _exporter(attributes: Sequence[Any], default_host: str | None) -> Exporter:
    told = _texts(attributes)
    identity = "\x1f".join(
        told.get(name, "") for name in ("service.namespace", "service.name", "service.instance.id")
    )
    stream = hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()
    # Not `service.instance.id`: it is another one after each restart, and would be another host.
    name = next((told[name] for name in _HOST_ATTRIBUTES if told.get(name)), default_host)
    hint = hint_of(name)
    if hint is None:
        return Exporter(None, stream)
    described = HostHint(
        hint.name,
        hint.addresses,
        os_name=one_line(told.get("os.description"), max_characters=128),
        architecture=one_line(told.get("host.arch"), max_characters=32),
    )
    return Exporter(described, stream)


def _data(metric: metrics_pb2.Metric) -> Any:
    kind = metric.WhichOneof("data")
    return getattr(metric, kind) if kind else None


def _points(name: str, data: Any, points: Sequence[Any], export: Export) -> Iterator[Point]:
    if not isinstance(data, metrics_pb2.Sum | metrics_pb2.Gauge):
        export.reject("a metric of hosts is neither a sum nor a gauge", len(points))
        return
    is_delta = (
        isinstance(data, metrics_pb2.Sum)
        and data.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
    )
    for point in points:
        if point.flags & metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            continue  # says that there is no value, and is no point to store
        value = float(point.as_int if point.HasField("as_int") else point.as_double)
        if not point.HasField("as_int") and not point.HasField("as_double"):
            export.reject("a point has no value")
        elif not math.isfinite(value) or value < 0:
            export.reject("a value is negative or no number")
        else:
            yield Point(
                metric=name,
                labels=_labels(name, point.attributes),
                value=value,
                start_ns=point.start_time_unix_nano,
                time_ns=point.time_unix_nano,
                is_delta=is_delta,
            )


def _labels(name: str, attributes: Sequence[Any]) -> tuple[str, ...]:
    told = _texts(attributes)
    return tuple(
        next((told[spelling] for spelling in spellings if spelling in told), "")
        for spellings in _ATTRIBUTES[name]
    )


def _texts(attributes: Sequence[Any]) -> Mapping[str, str]:
    return {one.key: text for one in attributes if (text := _text(one.value)) is not None}


def _text(value: Message) -> str | None:
    kind = value.WhichOneof("value")
    if kind not in {"string_value", "int_value", "double_value"}:
        return None
    return one_line(getattr(value, kind), max_characters=512)
