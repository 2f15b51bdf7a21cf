"""Payloads of real tools, where a folder with some is at hand: each is stored, or refused in words.

They are not ours to copy, so the folder is named by MONSYS_SAMPLES, or lies beside the checkout.
"""

import os
from pathlib import Path

import httpx2
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from hub.database import Database
from hub.ingest.keys.models import IngestSource
from hub.tenancy.models import Tenant
from tests.hub.ingest.conftest import PATHS, make_key

FOLDER = Path(os.environ.get("MONSYS_SAMPLES", Path(__file__).parents[4] / "shared" / "samples"))
SOURCES = {
    "alertmanager": IngestSource.ALERTMANAGER,
    "cyclonedx": IngestSource.CYCLONEDX,
    "falco": IngestSource.FALCO,
    "ocsf": IngestSource.FALCO,  # no endpoint reads these two; a wrong one says so
    "otlp": IngestSource.OTLP,
    "sigma": IngestSource.WAZUH,
    "wazuh": IngestSource.WAZUH,
}
SAMPLES = [
    (source, path)
    for folder, source in SOURCES.items()
    for path in sorted((FOLDER / folder).glob("*"))
    if path.is_file() and path.name != "SOURCES.txt"
]
pytestmark = pytest.mark.skipif(not SAMPLES, reason="there is no folder with samples")


async def deliver(
    http: httpx2.AsyncClient, key: str, source: IngestSource, body: bytes, media_type: str
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": media_type}
    query = {"host": "web-01"} if source is IngestSource.CYCLONEDX else {}
    return await http.post(PATHS[source], content=body, headers=headers, params=query)


def bodies_of(path: Path, source: IngestSource) -> list[bytes]:
    """Return what a sender would post: OTLP's files hold one request a line."""
    body = path.read_bytes()
    is_lines = path.suffix == ".jsonl" and source is IngestSource.OTLP
    return body.splitlines() if is_lines else [body]


@pytest.mark.parametrize(
    ("source", "path"), SAMPLES, ids=[f"{path.parent.name}/{path.name}" for _, path in SAMPLES]
)
async def test_is_stored_or_refused_in_words(
    source: IngestSource,
    path: Path,
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
) -> None:
    key = await make_key(database, tenant, source, default_host="edge-9")
    is_protobuf = path.suffix == ".pb"
    media_type = "application/x-protobuf" if is_protobuf else "application/json"
    for body in bodies_of(path, source):
        response = await deliver(http, key, source, body, media_type)
        if response.status_code == 200 and is_protobuf:
            ExportMetricsServiceResponse.FromString(response.content)
        elif response.status_code == 200:
            assert set(response.json()) <= {"partialSuccess"}
        elif response.status_code == 202:
            told = response.json()
            assert told["accepted"] + told["unchanged"] > 0
            assert all(one["reason"] for one in told["rejected"])
        elif source is IngestSource.OTLP:
            assert response.status_code == 400
            told_message = (
                Status.FromString(response.content).message
                if is_protobuf
                else response.json()["message"]
            )
            assert told_message
        else:
            assert response.status_code == 422, response.text
            assert response.json()["error"]["message"]
            assert response.json()["error"]["field"]
