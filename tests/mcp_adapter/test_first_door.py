"""The first door: what is posted to the connector goes past the application, and is cared for."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from hub.app import create_app
from hub.database import Database
from hub.settings import Settings
from mcp_adapter.first_door import FirstDoor


def answering(text: str) -> PlainTextResponse:
    return PlainTextResponse(text)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    app = FirstDoor(openapi_url=None)
    app.posted = {"/mcp": answering("past")}
    app.add_route("/mcp", lambda _request: answering("routed"), methods=["GET", "POST"])
    app.add_route("/other", lambda _request: answering("routed"), methods=["POST"])
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [("POST", "/mcp", "past"), ("GET", "/mcp", "routed"), ("POST", "/other", "routed")],
)
async def test_only_what_is_posted_to_an_address_goes_past(
    method: str, path: str, answer: str, http: httpx2.AsyncClient
) -> None:
    assert (await http.request(method, path)).text == answer


@pytest.mark.parametrize("path", ["/", "/mcp", "/mcp/"])
async def test_the_connector_stands_there_with_a_request_id(path: str, database: Database) -> None:
    transport = httpx2.ASGITransport(create_app(Settings(), database=database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.post(path)
    assert (response.status_code, len(response.headers["X-Request-Id"])) == (401, 32)


async def test_a_fault_is_answered_in_our_words_and_goes_on_to_the_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fall(_self: object, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("foreign text")

    monkeypatch.setattr("mcp_adapter.transport.Transport.__call__", fall)
    app = create_app(Settings(), database=database)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.post("/mcp")
    assert response.status_code == 500
    assert "X-Request-Id" in response.headers
    assert "foreign text" not in response.text
