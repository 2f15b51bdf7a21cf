"""One request, one transaction: what fails changes nothing, costs no connection, shows little."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.clock import utc_now
from hub.database import Database
from hub.principal import Principal, Role
from hub.tenancy.models import Tenant
from hub_schema import http as endpoint
from hub_schema import viewer
from hub_schema.errors import MASKED
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import person
from tests.schema.foreign_tenant import Names, populate
from tests.schema.graphql_client import codes, signed_in

VIEWER = operations("dashboard")["dashboard_viewer"]
STATES = "{ detections(ack: all) { nodes { number acknowledgedBy } } }"


async def backend_pids(database: Database) -> set[int]:
    """Return the server processes behind the pool's connections."""
    async with database.transaction() as session:
        mine = await session.execute(
            text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        )
    return set(mine.scalars())


@pytest.fixture
async def owner(database: Database, tenant: Tenant) -> Principal:
    """Return the owner of a tenant that has something to show."""
    await populate(database, tenant, Names.new(), now=utc_now())
    return person(tenant, role=Role.OWNER)


async def test_a_mutation_with_an_error_changes_nothing(
    database: Database, owner: Principal
) -> None:
    async with signed_in(database, owner) as client:
        before = (await client.post(query=STATES)).json()
        number = before["data"]["detections"]["nodes"][0]["number"]
        failed = await client.post(
            query="mutation A($known: String!) {"
            " a: acknowledgeDetection(input: {id: $known}) { hasChanged }"
            ' b: acknowledgeDetection(input: {id: "DEV-2026-9999"}) { hasChanged } }',
            variables={"known": number},
        )
        after = (await client.post(query=STATES)).json()
    assert failed.status_code == 200
    assert codes(failed) == ["NOT_FOUND"]
    assert after == before


async def test_a_mutation_without_one_is_stored(database: Database, owner: Principal) -> None:
    async with signed_in(database, owner) as client:
        before = (await client.post(query=STATES)).json()
        number = before["data"]["detections"]["nodes"][0]["number"]
        done = await client.post(
            query="mutation A($id: String!) {"
            " acknowledgeDetection(input: {id: $id}) { hasChanged } }",
            variables={"id": number},
        )
        after = (await client.post(query=STATES)).json()
    assert done.json() == {"data": {"acknowledgeDetection": {"hasChanged": True}}}
    assert after["data"]["detections"]["nodes"] == [
        {"number": number, "acknowledgedBy": owner.label}
    ]


async def test_a_field_that_fails_beside_others_costs_no_connection(
    database: Database, owner: Principal
) -> None:
    query = (
        "{ agents { nodes { disks { mount } openAlerts { id } openDetections { id }"
        " vulnerabilityCounts { critical } lastDay { sampleCount } } } overview { asOf }"
        " a: alerts(first: 0) { totalCount } b: alerts(first: 1) { totalCount }"
        " trustScore { total } osCves { totalCount } auditLog { nodes { actor } } }"
    )
    async with signed_in(database, owner) as client:
        await client.post(query="{ overview { asOf } }")
        before = await backend_pids(database)
        for _ in range(20):
            response = await client.post(query=query)
            assert response.status_code == 200
            assert codes(response) == ["INVALID_INPUT"]
    assert before <= await backend_pids(database)


async def test_a_fault_is_masked(
    database: Database, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> str:
        raise KeyError("password=hunter2")

    monkeypatch.setattr(viewer, "tenant_name", broken)
    async with signed_in(database, owner) as client:
        response = await client.post(documentId=VIEWER.document_id)
    assert response.status_code == 200
    assert [error["message"] for error in response.json()["errors"]] == [MASKED]
    assert codes(response) == ["INTERNAL"]
    assert "hunter2" not in response.text


async def test_an_operation_that_takes_too_long_is_stopped(
    database: Database, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: object, **__: object) -> str:
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr(viewer, "tenant_name", slow)
    monkeypatch.setattr(endpoint, "OPERATION_TIMEOUT", timedelta(milliseconds=50))
    monkeypatch.setattr("hub.database._GRACE_SECONDS", 0.01)
    async with signed_in(database, owner) as client:
        response = await client.post(documentId=VIEWER.document_id)
    assert response.status_code == 504
    assert codes(response) == ["TIMEOUT"]


async def test_a_database_that_is_away_is_said_to_be_away(owner: Principal) -> None:
    away = Database("postgresql://hub@127.0.0.1:1/hub", pool_size=1)
    async with signed_in(away, owner) as client:
        response = await client.post(documentId=VIEWER.document_id)
    await away.close()
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert codes(response) == ["UNAVAILABLE"]


async def test_a_refused_request_asks_the_database_nothing(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    async with signed_in(database, person(tenant, role=Role.VIEWER)) as client:
        await client.post(query="{ alerts { totalCount } }")
        await client.post(documentId="sha256:none")
    async with signed_in(database, person(tenant)) as client:
        await client.post(query="{ nothing }")
        await client.post(query="{ alerts(first: 5000) { nodes { id } } }")
    assert statements == []
