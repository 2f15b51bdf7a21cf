"""The real tools deliver to a running hub: OpenTelemetry's SDK, and Alertmanager."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.alerts.models import Alert
from hub.clock import utc_now
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.fleet.models import Agent, AgentLatest
from hub.ingest.keys.models import IngestSource
from hub.tenancy.models import Tenant
from tests.hub.ingest.conftest import make_key
from tests.running_hub import free_port, serving

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@pytest.mark.slow
async def test_the_opentelemetry_sdk_delivers_this_machines_figures(
    postgres: EmbeddedPostgres,
    database_name: str,
    database: Database,
    tenant: Tenant,
    tmp_path: Path,
) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.instrumentation.system_metrics import (  # noqa: PLC0415
        SystemMetricsInstrumentor,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    key = await make_key(database, tenant, IngestSource.OTLP)
    async with serving(postgres.hub_url(database_name), tmp_path, run_jobs=False) as hub:
        exporter = OTLPMetricExporter(
            endpoint=f"{hub.origin}/v1/metrics",
            headers={"Authorization": f"Bearer {key}"},
            compression=Compression.Gzip,
        )
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], resource=Resource.create({"host.name": "otel-01"}))
        instrumentor = SystemMetricsInstrumentor()
        instrumentor.instrument(meter_provider=provider)
        try:
            for _ in range(2):
                assert await asyncio.to_thread(provider.force_flush)
                await asyncio.sleep(1.1)
        finally:
            instrumentor.uninstrument()
            await asyncio.to_thread(provider.shutdown)

    async with database.transaction(tenant_id=tenant.id) as session:
        (host,) = await session.scalars(select(Agent))
        (latest,) = await session.scalars(select(AgentLatest))
    assert (host.name, host.is_enrolled) == ("otel-01", False)
    assert host.last_seen_at is not None
    assert utc_now() - host.last_seen_at < timedelta(seconds=30)
    assert latest.memory_percent is not None
    assert 0 < latest.memory_percent < 100
    assert latest.cpu_percent is not None  # from the counters of two exports
    assert 0 <= latest.cpu_percent <= 100


@asynccontextmanager
async def alertmanager(folder: Path, hub_origin: str, key: str) -> AsyncIterator[str]:
    """Run Alertmanager with the hub as its webhook; yield where it takes alerts."""
    assert ALERTMANAGER is not None
    config = folder / "alertmanager.yml"
    config.write_text(
        f"""
route:
  receiver: monsys
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: monsys
    webhook_configs:
      - url: {hub_origin}/api/v1/alertmanager
        send_resolved: true
        http_config:
          authorization:
            credentials: {key}
"""
    )
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        ALERTMANAGER,
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    origin = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(20), httpx2.AsyncClient(trust_env=False) as http:
            while not await _is_ready(http, origin):  # noqa: ASYNC110 - it cannot tell us
                await asyncio.sleep(0.1)
        yield origin
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(http: httpx2.AsyncClient, origin: str) -> bool:
    try:
        return (await http.get(f"{origin}/-/ready")).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(ALERTMANAGER is None, reason="prometheus-alertmanager is not installed")
async def test_alertmanager_delivers_what_begins_and_what_ends(
    postgres: EmbeddedPostgres,
    database_name: str,
    database: Database,
    tenant: Tenant,
    tmp_path: Path,
) -> None:
    key = await make_key(database, tenant, IngestSource.ALERTMANAGER)
    labels = {"alertname": "DiskFull", "instance": "web-01:9100", "severity": "critical"}
    began = utc_now() - timedelta(minutes=1)
    firing = {"labels": labels, "startsAt": began.isoformat()}

    async def states() -> list[str]:
        async with database.transaction(tenant_id=tenant.id) as session:
            return [str(state) for state in await session.scalars(select(col(Alert.state)))]

    async def until(expected: list[str]) -> list[str]:
        """Wait for these states; return those that there are in the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while await states() != expected:  # noqa: ASYNC110 - another process delivers
                    await asyncio.sleep(0.2)
        return await states()

    async with (
        serving(postgres.hub_url(database_name), tmp_path, run_jobs=False) as hub,
        alertmanager(tmp_path, hub.origin, key) as origin,
    ):
        await hub.http.post(f"{origin}/api/v2/alerts", json=[firing])
        assert await until(["open"]) == ["open"]
        over = firing | {"endsAt": utc_now().isoformat()}
        await hub.http.post(f"{origin}/api/v2/alerts", json=[over])
        assert await until(["resolved"]) == ["resolved"]
