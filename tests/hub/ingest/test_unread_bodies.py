"""A refusal arrives, also where the body was never read: the connection is not reset over it.

The senders here are plain: they send all of a body, a piece at a time, and read the answer then.
Were the connection closed when the answer is known, their next piece would be answered by a reset.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from hub.database import Database
from hub.ingest.bodies import MAX_REPORT_BYTES
from hub.ingest.foreign.bodies import MAX_SENT_BYTES
from hub.ingest.keys.models import IngestSource
from tests.factories import make_tenant
from tests.hub.ingest.conftest import make_key
from tests.running_hub import RunningHub, serving
from tests.signed_agent import HEARTBEAT, INGEST, enrolled_agent

pytestmark = pytest.mark.slow

PIECES, PAUSE_SECONDS = 8, 0.03
LITTLE = 400_000


@dataclass(frozen=True)
class Answer:
    """What a sender read, and whether it could send all of its body before."""

    status: int
    text: str
    sent: int


@pytest_asyncio.fixture(scope="module")
async def hub(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Serve the hub on a port: only a real connection can be reset."""
    async with serving(database.url, tmp_path_factory.mktemp("hub"), run_jobs=False) as running:
        yield running


async def send(
    hub: RunningHub, path: str, size: int, headers: Mapping[str, str], *, is_declared: bool = True
) -> Answer:
    return await asyncio.to_thread(_send, hub.settings.port, path, size, headers, is_declared)


def _send(
    port: int,
    path: str,
    size: int,
    headers: Mapping[str, str],
    is_declared: bool,  # noqa: FBT001
) -> Answer:
    length = f"Content-Length: {size}" if is_declared else "Transfer-Encoding: chunked"
    head = [f"POST {path} HTTP/1.1", "Host: hub", length]
    head += [f"{name}: {value}" for name, value in headers.items()]
    piece = b" " * (size // PIECES)
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        for _ in range(PIECES):
            time.sleep(PAUSE_SECONDS)
            framed = piece if is_declared else b"%x\r\n%s\r\n" % (len(piece), piece)
            connection.sendall(framed)
            sent += len(piece)
        connection.sendall(b"" if is_declared else b"0\r\n\r\n")
        time.sleep(PAUSE_SECONDS)
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    head_of_answer, _, text = answer.decode().partition("\r\n\r\n")
    return Answer(int(head_of_answer.split(" ")[1]), text, sent)


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize("path", ["/api/v1/sbom", "/v1/metrics", INGEST, HEARTBEAT])
async def test_a_stranger_who_sends_much_reads_why_it_is_refused(
    hub: RunningHub,
    path: str,
    is_declared: bool,  # noqa: FBT001 - a case of the table
) -> None:
    headers = {"Content-Type": "application/json", "Connection": "close"}
    answer = await send(hub, path, LITTLE, headers, is_declared=is_declared)
    assert (answer.status, answer.sent) == (401, LITTLE)
    assert "monsys" in answer.text


@pytest.mark.parametrize(
    ("source", "path", "word"),
    [
        (IngestSource.CYCLONEDX, "/api/v1/sbom", "TOO_LARGE"),
        (IngestSource.OTLP, "/v1/metrics", "smaller parts"),
    ],
)
async def test_a_tool_that_sends_too_much_reads_so(
    hub: RunningHub, database: Database, source: IngestSource, path: str, word: str
) -> None:
    size = MAX_SENT_BYTES + PIECES
    key = await make_key(database, await make_tenant(database), source)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = await send(hub, path, size, headers)
    assert (answer.status, answer.sent) == (413, size)
    assert word in answer.text


@pytest.mark.parametrize("is_declared", [True, False])
async def test_an_agent_that_sends_too_much_reads_so(
    hub: RunningHub,
    database: Database,
    is_declared: bool,  # noqa: FBT001 - a case of the table
) -> None:
    agent = await enrolled_agent(database, (await make_tenant(database)).id)
    size = MAX_REPORT_BYTES * 2
    answer = await send(hub, INGEST, size, agent.headers(), is_declared=is_declared)
    assert (answer.status, answer.sent) == (413, size)
    assert "Leave out `packages`" in answer.text


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


async def test_a_refusal_of_what_was_read_does_not_wait_for_more(
    hub: RunningHub, database: Database
) -> None:
    agent = await enrolled_agent(database, (await make_tenant(database)).id)
    started = time.monotonic()
    for _ in range(5):
        headers = agent.headers(b"{}")
        refused = await hub.http.post(f"{hub.origin}{INGEST}", content=b"{}", headers=headers)
        assert refused.status_code == 422
    assert time.monotonic() - started < 2
