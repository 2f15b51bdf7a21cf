"""OTLP/HTTP: both encodings, both generations of names, rates between exports, honest answers."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from sqlalchemy import func, select, update
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent, AgentLatest, MetricSample
from hub.ingest.keys.models import IngestSource
from hub.tenancy.models import Tenant
from tests.factories import make_agent
from tests.hub.ingest.conftest import Send, make_key

START = utc_now().replace(microsecond=0) - timedelta(minutes=30)
CUMULATIVE, DELTA = 2, 1


def at(seconds: float) -> int:
    return int((START + timedelta(seconds=seconds)).timestamp()) * 1_000_000_000


def point(value: float, seconds: float, start: int | None = None, **attributes: str) -> Any:
    told = {
        "timeUnixNano": str(at(seconds)),
        "asDouble": value,
        "attributes": [
            {"key": key.replace("__", "."), "value": {"stringValue": text}}
            for key, text in attributes.items()
        ],
    }
    return told | ({"startTimeUnixNano": str(start)} if start is not None else {})


def gauge(name: str, *points: Any) -> Any:
    return {"name": name, "gauge": {"dataPoints": list(points)}}


def total(name: str, *points: Any, temporality: int = CUMULATIVE) -> Any:
    return {
        "name": name,
        "sum": {
            "dataPoints": list(points),
            "aggregationTemporality": temporality,
            "isMonotonic": True,
        },
    }


def export(*metrics: Any, host: str | None = "web-01", **resource: str) -> dict[str, Any]:
    told = ({"host.name": host} if host else {}) | {
        key.replace("__", "."): value for key, value in resource.items()
    }
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": attributes},
                "scopeMetrics": [{"metrics": list(metrics)}],
            }
        ]
    }


def cpu(seconds: float, idle: float, user: float, start: int = 1, **options: Any) -> Any:
    return total(
        "system.cpu.time",
        *(
            point(value, seconds, start, cpu=number, state=state)
            for number in ("cpu0", "cpu1")
            for state, value in (("idle", idle), ("user", user))
        ),
        **options,
    )


async def latest(database: Database, tenant: Tenant) -> AgentLatest:
    async with database.transaction(tenant_id=tenant.id) as session:
        return (await session.scalars(select(AgentLatest))).one()


async def samples(database: Database, tenant: Tenant) -> list[MetricSample]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(MetricSample).order_by(col(MetricSample.at)))
        return list(rows)


OLD_NAMES = (
    gauge(
        "system.memory.usage",
        point(3, 0, state="used"),
        point(5, 0, state="free"),
        point(2, 0, state="cached"),
    ),
    gauge(
        "system.filesystem.usage",
        *(
            point(value, 0, mountpoint=mount, type=kind, device="/dev/vda1", state=state)
            for mount, kind in (("/", "ext4"), ("/run", "tmpfs"))
            for state, value in (("used", 60.0), ("free", 20.0), ("reserved", 20.0))
        ),
    ),
    gauge("system.cpu.load_average.1m", point(0.5, 0)),
    gauge("system.cpu.load_average.5m", point(0.4, 0)),
    gauge("system.cpu.load_average.15m", point(0.3, 0)),
    gauge(
        "system.cpu.utilization",
        point(0.9, 0, cpu="0", state="idle"),
        point(0.1, 0, cpu="0", state="user"),
    ),
)
NEW_NAMES = (
    gauge(
        "system.memory.utilization",
        point(0.3, 0, system__memory__state="used"),
        point(0.7, 0, system__memory__state="free"),
    ),
    gauge(
        "system.filesystem.usage",
        *(
            point(
                value,
                0,
                system__filesystem__mountpoint="/",
                system__filesystem__type="ext4",
                system__filesystem__state=state,
                system__device="/dev/vda1",
            )
            for state, value in (("used", 60.0), ("free", 20.0), ("reserved", 20.0))
        ),
    ),
    *OLD_NAMES[2:5],
    gauge(
        "system.cpu.utilization",
        point(0.9, 0, cpu__logical_number="0", cpu__mode="idle"),
        point(0.1, 0, cpu__logical_number="0", cpu__mode="user"),
    ),
)


@pytest.mark.parametrize("metrics", [OLD_NAMES, NEW_NAMES], ids=["old names", "new names"])
async def test_figures_are_as_our_own_agent_would_report_them(
    metrics: tuple[Any, ...], send: Send, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-01")
    response = await send(IngestSource.OTLP, export(*metrics))

    assert (response.status_code, response.json()) == (200, {})
    assert response.headers["content-type"] == "application/json"
    row = await latest(database, tenant)
    assert (row.agent_id, row.at) == (agent.id, START)
    assert (row.cpu_percent, row.memory_percent, row.disk_percent) == (10.0, 30.0, 75.0)
    assert (row.load1, row.load5, row.load15) == (0.5, 0.4, 0.3)
    assert row.details == {
        "disks": [
            {
                "mount": "/",
                "device": "/dev/vda1",
                "used_percent": 75.0,
                "used_bytes": 60,
                "total_bytes": 100,
            }
        ]
    }
    async with database.transaction(tenant_id=tenant.id) as session:
        known = await session.get_one(Agent, (tenant.id, agent.id))
    assert known.last_seen_at == START


async def test_utilisation_is_what_was_counted_between_two_exports(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await send(IngestSource.OTLP, export(cpu(0, 100, 100)))
    await send(IngestSource.OTLP, export(cpu(60, 145, 115)))
    assert [one.cpu_percent for one in await samples(database, tenant)] == [25.0]


async def test_a_counter_that_begins_anew_says_nothing_until_the_next(
    send: Send, database: Database, tenant: Tenant
) -> None:
    for told in (
        cpu(0, 100, 100),
        cpu(60, 5, 5),  # fell
        cpu(120, 35, 35, start=2),  # another start
        cpu(180, 80, 50, start=2),
    ):
        assert (await send(IngestSource.OTLP, export(told))).status_code == 200
    assert [one.cpu_percent for one in await samples(database, tenant)] == [25.0]


async def test_delta_temporality_needs_no_export_before(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await send(IngestSource.OTLP, export(cpu(60, 45, 15, start=at(0), temporality=DELTA)))
    assert [one.cpu_percent for one in await samples(database, tenant)] == [25.0]


async def test_two_exporters_of_one_host_do_not_mix_their_counters(
    send: Send, database: Database, tenant: Tenant
) -> None:
    for seconds, idle, user in ((0, 100, 100), (60, 145, 115)):
        await send(IngestSource.OTLP, export(cpu(seconds, idle, user), service__name="a"))
        other = cpu(seconds + 20, idle * 3, user * 9, start=7)
        await send(IngestSource.OTLP, export(other, service__name="b"))
    assert [one.cpu_percent for one in await samples(database, tenant)] == [25.0, 50.0]


async def test_network_rates_leave_loopback_out(
    send: Send, database: Database, tenant: Tenant
) -> None:
    def network(seconds: float, received: float, sent: float) -> Any:
        return total(
            "system.network.io",
            point(received, seconds, 1, device="eth0", direction="receive"),
            point(sent, seconds, 1, device="eth0", direction="transmit"),
            point(received * 99, seconds, 1, device="lo", direction="receive"),
        )

    await send(IngestSource.OTLP, export(network(0, 0, 0)))
    await send(IngestSource.OTLP, export(network(10, 10_000_000, 2_500_000)))
    assert [(one.rx_mbps, one.tx_mbps) for one in await samples(database, tenant)] == [(8.0, 2.0)]


async def test_an_export_sent_again_changes_nothing(
    send: Send, database: Database, tenant: Tenant
) -> None:
    second = export(cpu(60, 145, 115), gauge("system.cpu.load_average.1m", point(0.5, 60)))
    await send(IngestSource.OTLP, export(cpu(0, 100, 100)))
    await send(IngestSource.OTLP, second)
    before = (await latest(database, tenant)).model_dump(), await samples(database, tenant)
    assert (await send(IngestSource.OTLP, second)).status_code == 200
    assert (await latest(database, tenant)).model_dump() == before[0]
    assert await samples(database, tenant) == before[1]


async def test_one_collection_may_come_in_several_requests(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await send(IngestSource.OTLP, export(*OLD_NAMES[2:]))
    await send(IngestSource.OTLP, export(*OLD_NAMES[:2]))
    row = await latest(database, tenant)
    assert (row.cpu_percent, row.memory_percent, row.load1) == (10.0, 30.0, 0.5)


async def test_protobuf_packed_with_gzip_is_answered_in_protobuf(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    message = ParseDict(export(*OLD_NAMES), ExportMetricsServiceRequest())
    response = await http.post(
        "/v1/metrics",
        content=gzip.compress(message.SerializeToString()),
        headers={
            "Authorization": f"Bearer {await make_key(database, tenant, IngestSource.OTLP)}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        },
    )
    assert (response.status_code, response.headers["content-type"]) == (
        200,
        "application/x-protobuf",
    )
    assert not ExportMetricsServiceResponse.FromString(response.content).HasField("partial_success")
    assert (await latest(database, tenant)).memory_percent == 30.0


async def test_points_that_cannot_be_stored_are_counted_with_the_reason(
    send: Send, database: Database, tenant: Tenant
) -> None:
    ahead = (datetime.now(UTC) - START).total_seconds() + 3_600
    response = await send(
        IngestSource.OTLP,
        export(
            gauge("system.cpu.load_average.1m", point(0.5, 0)),
            gauge("system.cpu.load_average.5m", point(1, ahead), point(1, -9 * 86_400)),
            gauge("system.cpu.load_average.15m", point(-1, 0)),
            gauge("my.own.metric", point(1, 0)),
        ),
    )
    told = response.json()["partialSuccess"]
    assert told["rejectedDataPoints"] == "3"
    assert "2 points: a time is missing, older than 7 days" in told["errorMessage"]
    assert "1 points are of metrics that this hub does not keep" in told["errorMessage"]
    assert [one.load1 for one in await samples(database, tenant)] == [0.5]


async def test_unknown_metrics_alone_are_a_warning_and_make_no_host_known(
    send: Send, database: Database, tenant: Tenant
) -> None:
    response = await send(IngestSource.OTLP, export(gauge("my.own.metric", point(1, 0))))
    told = response.json()["partialSuccess"]
    assert (response.status_code, told.get("rejectedDataPoints", "0")) == (200, "0")
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(func.count()).select_from(Agent)) == 0


async def test_whole_numbers_may_stand_as_numbers_or_as_text(
    send: Send, database: Database, tenant: Tenant
) -> None:
    points = [
        {"timeUnixNano": at(0), "asInt": 30, "attributes": used}
        | ({"asInt": "70"} if state == "free" else {})
        for state in ("used", "free")
        for used in [[{"key": "state", "value": {"stringValue": state}}]]
    ]
    response = await send(IngestSource.OTLP, export(gauge("system.memory.usage", *points)))
    assert response.json() == {}
    assert (await latest(database, tenant)).memory_percent == 30.0


async def test_a_resource_without_a_host_is_of_the_keys_default_host(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    key = await make_key(database, tenant, IngestSource.OTLP, default_host="edge-9")
    body = export(gauge("system.cpu.load_average.1m", point(0.5, 0)), host=None)
    headers = {"Authorization": f"Bearer {key}"}
    assert (await http.post("/v1/metrics", json=body, headers=headers)).json() == {}
    async with database.transaction(tenant_id=tenant.id) as session:
        assert (await session.scalars(select(col(Agent.name)))).all() == ["edge-9"]


async def test_points_of_hosts_that_are_not_known_are_rejected(
    send: Send, database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(Tenant).values(accepts_unknown_hosts=False))
    load = gauge("system.cpu.load_average.1m", point(0.5, 0))
    for host, word in (("web-01", "not known here"), (None, "names no host")):
        told = (await send(IngestSource.OTLP, export(load, host=host))).json()["partialSuccess"]
        assert told["rejectedDataPoints"] == "1"
        assert word in told["errorMessage"]
    assert await samples(database, tenant) == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff\xff", {"Content-Type": "application/x-protobuf"}, 400),
        (b"{", {"Content-Type": "application/json"}, 400),
        (b'{"resourceMetrics": 1}', {"Content-Type": "application/json"}, 400),
        (b"[]", {"Content-Type": "application/json"}, 400),
        (b"", {"Content-Type": "text/plain"}, 415),
        (
            b"x",
            {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"},
            400,
        ),
    ],
)
async def test_a_refusal_is_a_status_in_the_encoding_of_the_request(
    content: bytes, headers: dict[str, str], status: int, send: Send
) -> None:
    response = await send(IngestSource.OTLP, content=content, headers=headers)
    assert response.status_code == status
    if response.headers["content-type"] == "application/x-protobuf":
        told = Status.FromString(response.content)
    else:
        told = ParseDict(response.json(), Status())
    assert (told.code, bool(told.message)) == (3, True)


async def test_a_missing_key_is_a_status_too(http: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    response = await http.post("/v1/metrics", content=b"", headers=headers)
    assert (response.status_code, Status.FromString(response.content).code) == (401, 16)
