"""A refusal arrives, also where the body was never read: the connection is not reset over it."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from hub.database import Database
from tests.running_hub import RunningHub, serving


@pytest_asyncio.fixture(scope="module")
async def hub(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Serve the hub on a port: only a real connection can be reset."""
    async with serving(database.url, tmp_path_factory.mktemp("hub"), run_jobs=False) as running:
        yield running


@pytest.mark.parametrize("path", ["/api/v1/sbom", "/v1/metrics"])
@pytest.mark.parametrize("size", [2, 60_000, 900_000])
async def test_a_stranger_reads_why(hub: RunningHub, path: str, size: int) -> None:
    for _ in range(10):
        response = await hub.http.post(
            f"{hub.origin}{path}",
            content=b"{" + b" " * size + b"}",
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == 401
        assert "ingest key" in response.text


async def test_a_body_without_end_is_not_read_to_its_end(hub: RunningHub) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1 << 28:
            sent += 65_536
            yield b" " * 65_536

    try:
        response = await hub.http.post(f"{hub.origin}/api/v1/sbom", content=endless())
        assert response.status_code == 401
    except httpx2.TransportError:
        pass  # it would not listen
    assert sent < 1 << 26
