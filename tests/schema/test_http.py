"""`POST /graphql`: GraphQL over HTTP, for people who are signed in."""

import hashlib
from typing import Any

import pytest

from hub.database import Database
from hub.principal import Role
from hub.tenancy.models import Tenant
from hub_schema.operations import operations
from tests.factories import connector, person
from tests.schema.graphql_client import (
    APP_ORIGIN,
    GRAPHQL_RESPONSE,
    MAX_BYTES,
    ORIGIN,
    codes,
    signed_in,
)

JSON = "application/json"
UTF8 = "; charset=utf-8"
LIST_ALERTS = operations("mcp")["monsys_list_alerts"]
NO_ALERTS = {"alerts": {"total": 0, "alerts": [], "page": {"next_cursor": None}}}


async def test_runs_a_persisted_document_by_its_id(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant, role=Role.VIEWER)) as client:
        response = await client.post(
            documentId=LIST_ALERTS.document_id, variables={"severity": "critical"}
        )
    assert response.status_code == 200
    assert response.headers["content-type"] == GRAPHQL_RESPONSE + UTF8
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"data": NO_ALERTS}


def test_a_document_id_is_the_digest_of_the_file() -> None:
    digest = hashlib.sha256(LIST_ALERTS.text.encode()).hexdigest()
    assert LIST_ALERTS.document_id == f"sha256:{digest}"


async def test_refuses_a_document_id_that_is_of_no_file(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post(documentId=f"sha256:{'0' * 64}")
    assert response.status_code == 404
    assert codes(response) == ["PERSISTED_DOCUMENT_NOT_FOUND"]


@pytest.mark.parametrize(
    ("operation_name", "status"), [("MonsysListAlerts", 200), (None, 200), ("Other", 400)]
)
async def test_the_operation_name_of_a_persisted_document_must_fit(
    database: Database, tenant: Tenant, operation_name: str | None, status: int
) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post(
            documentId=LIST_ALERTS.document_id, operationName=operation_name
        )
    assert response.status_code == status


async def test_a_wrong_variable_is_a_bad_request(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant)) as client:
        strict = await client.post(documentId=LIST_ALERTS.document_id, variables={"limit": "ten"})
        legacy = await client.post(
            accept=JSON, documentId=LIST_ALERTS.document_id, variables={"limit": "ten"}
        )
    assert (strict.status_code, legacy.status_code) == (400, 200)
    assert codes(strict) == ["BAD_REQUEST"]
    assert strict.json() == legacy.json()
    assert "data" not in strict.json()


async def test_an_error_of_a_field_is_an_answer(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post(documentId=LIST_ALERTS.document_id, variables={"limit": 101})
    assert response.status_code == 200
    assert response.json() == {
        "data": None,
        "errors": [
            {
                "message": "`first` must be between 1 and 100.",
                "locations": [{"line": 20, "column": 3}],
                "path": ["alerts"],
                "extensions": {"code": "INVALID_INPUT", "field": "first"},
            }
        ],
    }


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.OPERATOR, Role.ANALYST])
async def test_a_person_who_may_explore_writes_documents(
    database: Database, tenant: Tenant, role: Role
) -> None:
    async with signed_in(database, person(tenant, role=role)) as client:
        response = await client.post(
            query="query A { alerts { totalCount } } query B { __typename }", operationName="A"
        )
    assert response.status_code == 200
    assert response.json() == {"data": {"alerts": {"totalCount": 0}}}


@pytest.mark.parametrize("query", ["{ __typename }", "{ __schema { queryType { name } } }", "{"])
async def test_a_person_who_may_not_explore_writes_none(
    database: Database, tenant: Tenant, query: str
) -> None:
    async with signed_in(database, person(tenant, role=Role.VIEWER)) as client:
        response = await client.post(query=query)
    assert response.status_code == 403
    assert codes(response) == ["FORBIDDEN"]
    assert "data" not in response.json()


async def test_nobody_gets_in_without_signing_in(database: Database) -> None:
    async with signed_in(database, None) as client:
        response = await client.post(documentId=LIST_ALERTS.document_id)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Cookie realm="monsys hub"'
    assert codes(response) == ["UNAUTHENTICATED"]


async def test_a_connector_does_not_get_in(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, connector(tenant)) as client:
        response = await client.post(documentId=LIST_ALERTS.document_id)
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("accept", "answered_as"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE),
        (f"{JSON};q=0.5, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0, */*", JSON),
        (f"{JSON};charset=utf-8", JSON),
        ("Application/GraphQL-Response+JSON", GRAPHQL_RESPONSE),
    ],
)
async def test_answers_in_the_media_type_that_is_accepted(
    database: Database, tenant: Tenant, accept: str | None, answered_as: str
) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post(accept=accept, query="{ __typename }")
    assert response.status_code == 200
    assert response.headers["content-type"] == answered_as + UTF8
    assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", ["text/html", f"{JSON};q=0", "image/*", "*/*;q=nothing"])
async def test_offers_no_other_media_type(database: Database, tenant: Tenant, accept: str) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post(accept=accept, query="{ __typename }")
    assert response.status_code == 406
    assert response.headers["content-type"] == JSON + UTF8
    assert codes(response) == ["NOT_ACCEPTABLE"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_is_there_for_post_only(database: Database, tenant: Tenant, method: str) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.http.request(method, "/graphql?query={__typename}")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=latin-1",
        "",
    ],
)
async def test_takes_json_in_utf_8_only(
    database: Database, tenant: Tenant, content_type: str
) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post_body(b'{"query": "{ __typename }"}', Content_Type=content_type)
    assert response.status_code == 415
    assert codes(response) == ["UNSUPPORTED_MEDIA_TYPE"]


async def test_takes_a_charset_that_is_utf_8(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post_body(
            '{"query": "{ __type(name: \\"🏃\\") { name } }"}'.encode(),
            Content_Type='application/json; charset="UTF-8"',
        )
    assert response.json() == {"data": {"__type": None}}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": ORIGIN}, 200),
        ({"Origin": APP_ORIGIN}, 200),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": ORIGIN}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Origin": "https://blog.example.com"}, 403),
    ],
)
async def test_pages_of_other_sites_are_not_answered(
    database: Database, tenant: Tenant, headers: dict[str, str], status: int
) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post_body(b'{"query": "{ __typename }"}', **headers)
    assert response.status_code == status
    if status == 403:
        assert codes(response) == ["CROSS_SITE"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b"null",
        b"[]",
        b'[{"query": "{ __typename }"}]',
        b'"{ __typename }"',
        b"{}",
        b'{"qeury": "{ __typename }"}',
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": ["{ __typename }"]}',
        b'{"documentId": 1}',
        b'{"query": "{ __typename }", "documentId": "sha256:00"}',
        b'{"query": "{ __typename }", "variables": "none"}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "operationName": {}}',
        b'{"query": "{ __typename }", "operationName": false}',
        b'{"query": "{ __typename }", "extensions": 0}',
        b'{"query": "{ __typename }", "variables": ' + b"[" * 5000,
    ],
)
async def test_a_malformed_request_is_a_bad_one(
    database: Database, tenant: Tenant, body: bytes
) -> None:
    async with signed_in(database, person(tenant)) as client:
        for accept in (JSON, GRAPHQL_RESPONSE):
            response = await client.post_body(body, Accept=accept)
            assert response.status_code == 400
            assert response.headers["content-type"] == accept + UTF8
            assert codes(response) == ["BAD_REQUEST"]


async def test_parameters_may_be_null(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant)) as client:
        response = await client.post(
            query="{ __typename }",
            documentId=None,
            variables=None,
            operationName=None,
            extensions=None,
        )
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_a_body_that_is_too_large_is_refused(database: Database, tenant: Tenant) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * (MAX_BYTES // 2)

    async with signed_in(database, person(tenant)) as client:
        announced = await client.post_body(b" " * (MAX_BYTES + 1))
        streamed = await client.http.post(
            "/graphql", content=chunks(), headers={"Content-Type": JSON}
        )
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert codes(announced) == ["REQUEST_TOO_LARGE"]


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "",
        "nonsense",
        "{ nothing }",
        "{ alerts }",
        "type A { b: Int }",
        "query A { __typename }",
    ],
)
async def test_a_document_that_cannot_run_is_a_bad_request_or_a_legacy_answer(
    database: Database, tenant: Tenant, query: str
) -> None:
    async with signed_in(database, person(tenant)) as client:
        strict = await client.post(query=query, operationName="B")
        legacy = await client.post(accept=JSON, query=query, operationName="B")
    assert (strict.status_code, legacy.status_code) == (400, 200)
    assert strict.json() == legacy.json()
    assert set(codes(strict)) == {"BAD_REQUEST"}
    assert "data" not in strict.json()
