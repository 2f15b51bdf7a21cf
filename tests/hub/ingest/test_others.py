"""Signals and service levels with an ingest key, and what OpenAPI tells of every endpoint."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.ingest.keys.models import IngestSource
from hub.sla.commands import create_target
from hub.sla.models import SlaIndicator, SlaObservation
from hub.tenancy.models import Tenant
from hub.trust.models import TrustSignal
from tests.factories import make_agent
from tests.hub.ingest.conftest import PATHS, Send


def signal(**changes: Any) -> dict[str, Any]:
    return {
        "source": "backup_check",
        "subject": "db-01",
        "key": "restore_test",
        "severity": "high",
        "observed_at": (utc_now() - timedelta(hours=1)).isoformat(),
        "title": "Restore was not tried",
    } | changes


async def test_signals_are_stored_once_in_the_component_of_their_source(
    send: Send, database: Database, tenant: Tenant
) -> None:
    one = signal()
    payload = {"signals": [one, one, signal(source="cert_scan", severity="info")]}
    for _ in range(2):
        response = await send(IngestSource.SIGNALS, payload)
        assert response.json()["status"] == "accepted"
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.execute(
            select(col(TrustSignal.source), col(TrustSignal.component)).order_by(
                col(TrustSignal.source)
            )
        )
        assert [tuple(row) for row in rows] == [
            ("backup_check", "backup"),
            ("cert_scan", "cert_dns"),
        ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": "my_own"}, "source"),
        ({"source": "alert_lifecycle"}, "source"),
        ({"severity": "loud"}, "severity"),
        ({"subject": "a\u0000b"}, "subject"),
        ({"observed_at": "2999-01-01T00:00:00Z"}, "observed_at"),
        ({"observed_at": "2020-01-01T00:00:00Z"}, "observed_at"),
        ({"resolved_at": "2020-01-01T00:00:00Z"}, "item"),
    ],
)
async def test_a_wrong_signal_says_which_field(
    changes: dict[str, Any], field: str, send: Send
) -> None:
    response = await send(IngestSource.SIGNALS, {"signals": [signal(**changes)]})
    assert (response.status_code, response.json()["error"]["field"]) == (422, field)


async def test_counts_come_with_a_key_whichever_host_the_target_is_about(
    send: Send, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_target(
            session,
            tenant_id=tenant.id,
            name="checkout",
            indicator=SlaIndicator.CUSTOM,
            objective=0.99,
            agent_id=agent.id,
        )
    at = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    body = {
        "target": "checkout",
        "counts": [{"at": at.isoformat(), "good": 99, "total": 100}],
    }
    response = await send(IngestSource.SERVICE_LEVELS, body)
    assert (response.status_code, response.json()["accepted"]) == (202, 1)
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(func.count()).select_from(SlaObservation)) == 1
    unknown = await send(IngestSource.SERVICE_LEVELS, body | {"target": "nothing"})
    assert unknown.status_code == 404
    malformed = await send(IngestSource.SERVICE_LEVELS, {"target": "checkout"})
    assert (malformed.status_code, malformed.json()["error"]["field"]) == (422, "counts")


def test_openapi_tells_of_every_endpoint_with_an_example(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for source in set(IngestSource) - {IngestSource.SERVICE_LEVELS}:
        operation = paths[PATHS[source]]["post"]
        assert operation["summary"]
        assert operation["description"]
        assert operation["requestBody"]["content"]["application/json"]["example"]
        assert {"401", "403", "413", "415", "429", "503"} <= set(operation["responses"])
        assert {"200", "202"} & set(operation["responses"])


@pytest.mark.parametrize("source", sorted(set(IngestSource) - {IngestSource.SERVICE_LEVELS}))
async def test_the_documented_example_is_accepted(
    source: IngestSource, app: FastAPI, send: Send
) -> None:
    operation = app.openapi()["paths"][PATHS[source]]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    text = orjson.dumps(example).decode()
    now = utc_now()
    for written, current in (  # an example does not stay young
        ("2026-11-03T08:00:00", f"{now:%Y-%m-%dT%H:%M:%S}"),
        ("1795336043006635546", f"{int(now.timestamp())}000000000"),
    ):
        text = text.replace(written, current)
    response = await send(source, orjson.loads(text), params={"host": "web-01"})
    assert response.status_code in {200, 202}, response.text
    assert "partialSuccess" not in response.json()
