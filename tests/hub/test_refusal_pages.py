"""Where there is no page: words for people in a browser, JSON in one shape for programs."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
import structlog
from fastapi import HTTPException

from hub.faults import install_error_handlers
from hub.outage import RETRY_AFTER_SECONDS
from mcp_adapter.first_door import FirstDoor

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SECRET = "postgresql://owner:hunter2@db/monsys"


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    app = FirstDoor()
    app.posted = {}
    install_error_handlers(app)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError(SECRET)

    @app.get("/away")
    async def away() -> None:
        raise ConnectionRefusedError(SECRET)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(421, "This host is not served here.")

    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub.test") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "heading"),
    [
        ("GET", "/nothing", 404, "There is no page here"),
        ("POST", "/broken", 405, "This address is not a page"),
        ("GET", "/broken", 500, "Something went wrong on our side"),
        ("GET", "/away", 503, "The hub cannot answer right now"),
    ],
)
async def test_a_browser_gets_a_page(
    http: httpx2.AsyncClient, method: str, path: str, status: int, heading: str
) -> None:
    response = await http.request(method, path, headers=BROWSER)
    assert response.status_code == status
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{heading}</h1>" in response.text
    assert '<a class="button" href="/">Back to the overview</a>' in response.text
    assert SECRET not in response.text
    has_request_id = response.headers["x-request-id"] in response.text
    assert has_request_id is (status >= 500)


async def test_a_german_browser_gets_it_in_german(http: httpx2.AsyncClient) -> None:
    response = await http.get("/nothing", headers=BROWSER | {"Accept-Language": "de"})
    assert "<h1>Hier ist keine Seite</h1>" in response.text
    assert response.headers["content-language"] == "de"


async def test_programs_get_every_refusal_in_one_shape(http: httpx2.AsyncClient) -> None:
    missing = await http.get("/nothing")
    assert missing.status_code == 404
    assert missing.json() == {
        "error": {"code": "NOT_FOUND", "message": "There is nothing at this address."}
    }
    wrong = await http.post("/broken", headers={"Accept": "application/json"})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


async def test_a_fault_carries_the_request_id_that_its_words_ask_for(
    http: httpx2.AsyncClient,
) -> None:
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logged:
        response = await http.get("/broken")
    assert "quote the X-Request-Id" in response.json()["error"]["message"]
    assert [(line["event"], line["request_id"]) for line in logged] == [
        ("request_failed", response.headers["x-request-id"])
    ]


@pytest.mark.parametrize("headers", [BROWSER, {}])
async def test_headers_of_a_refusal_stay(http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    wrong = await http.post("/broken", headers=headers)
    assert wrong.headers["allow"] == "GET"
    away = await http.get("/away", headers=headers)
    assert away.headers["retry-after"] == RETRY_AFTER_SECONDS


async def test_what_has_words_of_its_own_keeps_them(http: httpx2.AsyncClient) -> None:
    response = await http.get("/teapot", headers=BROWSER)
    assert (response.status_code, response.json()) == (
        421,
        {"detail": "This host is not served here."},
    )
