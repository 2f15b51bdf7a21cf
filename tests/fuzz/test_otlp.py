"""OTLP's parser never fails in a way of its own, in neither encoding, nor what follows from it."""

import orjson
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from hub.clock import utc_now
from hub.ingest.foreign.otlp.counters import Counters
from hub.ingest.foreign.otlp.encoding import Encoding, Unreadable, decode
from hub.ingest.foreign.otlp.figures import figures_of
from hub.ingest.foreign.otlp.points import moments, read_export
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import bodies, check_refusal, check_text
from tests.hub.ingest.test_otlp import NEW_NAMES, OLD_NAMES, cpu, export

GOOD = export(*OLD_NAMES, *NEW_NAMES, cpu(0, 100, 100), cpu(60, 145, 115))


def check_request(request: ExportMetricsServiceRequest) -> None:
    export = read_export(request, now=utc_now())
    counters = Counters()
    for exporter, points in export.points.items():
        if exporter.host is not None:
            check_text(exporter.host.name, exporter.host.os_name, *exporter.host.addresses)
        for moment in moments(points):
            figures = figures_of(moment, counters.rates(moment))
            percents = (figures.cpu_percent, figures.memory_percent, figures.disk_percent)
            assert all(0 <= one <= 100 for one in percents if one is not None)
            check_text(*(disk.mount for disk in figures.disks))
        assert Counters.of(counters.stored()).series.keys() == counters.series.keys()


def test_each_json_body_is_read_or_refused() -> None:
    def check(body: bytes) -> None:
        try:
            request = decode(body, Encoding.JSON)
        except Unreadable as refusal:
            check_refusal(refusal)
            return
        check_request(request)

    fuzz(bodies(GOOD), check)


def test_each_protobuf_body_is_read_or_refused() -> None:
    good = decode(orjson.dumps(GOOD), Encoding.JSON).SerializeToString()

    def flipped(told: list[tuple[int, int]]) -> bytes:
        body = bytearray(good)
        for place, value in told:
            body[place % len(body)] = value
        return bytes(body)

    def check(body: bytes) -> None:
        try:
            request = decode(body, Encoding.PROTOBUF)
        except Unreadable as refusal:
            check_refusal(refusal)
            return
        check_request(request)

    flips = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=8)
    fuzz(flips.map(flipped) | st.binary(max_size=300), check)
