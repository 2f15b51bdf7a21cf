"""Bodies are reports of a bounded size, packed or not; each other one is refused with a word."""

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest

from hub.database import Database
from hub.fleet.signatures import KEY_HEADER
from hub.ingest.bodies import MAX_REPORT_BYTES
from hub.tenancy.models import Tenant
from tests.hub.reporting import stored_samples, taking_in
from tests.signed_agent import INGEST, SignedAgent

NO_REPORTS = [b"{", b"\xff\xfe", b"[]", b"null", b"", b'{"at": NaN}', b"[" * 3000, b'"x"', b"7"]


@pytest.mark.parametrize("body", NO_REPORTS)
async def test_a_body_that_is_no_report_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent, body: bytes
) -> None:
    response = await agent.post(http, body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "INVALID_INPUT"


WHOLE = gzip.compress(b'{"at": "2026-11-03T08:00:00Z"}')


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"{}"),
        ("gzip", WHOLE[:-9]),
        ("gzip", WHOLE + b"more"),
        ("gzip", WHOLE[:12] + bytes([WHOLE[12] ^ 1]) + WHOLE[13:]),
        ("gzip", b""),
        ("br", b"{}"),
        ("gzip, gzip", gzip.compress(WHOLE)),
    ],
    ids=["plain", "cut", "more behind", "flipped", "empty", "another encoding", "twice"],
)
async def test_what_cannot_be_unpacked_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent, encoding: str, body: bytes
) -> None:
    response = await agent.post(http, body, headers={"Content-Encoding": encoding})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "INVALID_INPUT")


async def test_a_decompression_bomb_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    bomb = gzip.compress(b" " * (64 * MAX_REPORT_BYTES))
    assert len(bomb) < MAX_REPORT_BYTES / 10
    response = await agent.post(http, bomb, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    is_declared: bool,  # noqa: FBT001 - a case of the table
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_REPORT_BYTES // 65536 + 1):
            yield b" " * 65536

    content = b" " * (MAX_REPORT_BYTES + 1) if is_declared else chunks()
    response = await http.post(INGEST, content=content, headers=agent.headers())
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert response.headers["Connection"] == "close"
    assert await stored_samples(database, tenant.id) == 0


async def test_strangers_bodies_are_not_kept(
    database: Database, agent: SignedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is thrown away, so that the refusal arrives, is never held in memory."""
    kept: list[object] = []

    async def keep(*_: object, **__: object) -> bytes:
        kept.append(_)
        return b""

    monkeypatch.setattr("hub.ingest.door.read_wire", keep)
    headers = agent.headers() | {KEY_HEADER: "0" * 64}
    async with taking_in(database, is_first_door=True) as http:
        assert (await http.post(INGEST, content=b" " * 65_536, headers=headers)).status_code == 401
    assert kept == []
