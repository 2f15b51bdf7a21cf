"""HTTP probes: what is a good answer, and where they never go."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput
from hub.principal import Role
from hub.sla.addresses import ForbiddenAddressError, check_address
from hub.sla.commands import create_target
from hub.sla.models import SlaIndicator, SlaObservation, SlaProbe
from hub.sla.periods import bucket_of
from hub.sla.probes import Answer, Request, check_url, probe
from hub.sla.probing import (
    allow_private_addresses,
    ask,
    due_probes,
    record_answers,
    set_probe,
)
from hub.tenancy.models import Tenant
from tests.factories import person

MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def answering(answer: bytes, *, delay: float = 0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one answer to everybody; yield the address, and the requests that came."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.read(4096))
        await asyncio.sleep(delay)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Answer(is_good=True)),
        (b"HTTP/1.1 503 Busy\r\n\r\n", Answer(is_good=False, reason="status_503")),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", Answer(is_good=False, reason="status_301")),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Answer(is_good=False, reason="not_http")),
        (b"HTTP/1.1 " + b"9" * 100 + b" OK\r\n\r\n", Answer(is_good=False, reason="not_http")),
        (b"HTTP/1.1 2_00 OK\r\n\r\n", Answer(is_good=False, reason="not_http")),
        # RFC 9110 15.2: what comes before the answer is none.
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            Answer(is_good=True),
        ),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 9, Answer(is_good=False, reason="not_http")),
        (b"", Answer(is_good=False, reason="not_http")),
        (b"H" * 10_000, Answer(is_good=False, reason="not_http")),
    ],
)
async def test_an_answer_is_good_when_its_status_is_the_expected_one(
    answer: bytes, expected: Answer
) -> None:
    async with answering(answer) as (address, requests):
        assert await probe(Request(f"{address}/health?deep=1", allow_private=True)) == expected
    assert requests[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.slow
async def test_no_answer_in_time_no_listener_and_no_tls_are_bad_answers() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", delay=5) as (address, _):
        slow = await probe(Request(address, timeout_seconds=0.2, allow_private=True))
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (address, _):
        no_tls = await probe(Request(address.replace("http:", "https:"), allow_private=True))
    gone = await probe(Request(address, allow_private=True))
    assert [slow.reason, no_tls.reason, gone.reason] == ["timeout", "tls", "unreachable"]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0"),  # noqa: S104
        *("169.254.169.254", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("::127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1"),
    ],
)
def test_private_and_special_addresses_are_forbidden(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check_address(address, allow_private=False)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0"])  # noqa: S104
def test_some_are_forbidden_even_where_private_ones_are_allowed(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check_address(address, allow_private=True)


def test_public_addresses_are_allowed() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1"):
        check_address(address, allow_private=False)


async def test_a_name_that_leads_inside_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        found = ("93.184.216.34", "127.0.0.1")  # one good answer does not excuse the other
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert (await probe(Request("http://shop.example.com/"))).reason == "forbidden_address"


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.com/", "http:///path", "http://user@example.com/", "http://e.com:99999/"),
        *("http://example.com/ HTTP/1.1", "http://example.com/\r\nHost: other", "example.com"),
    ],
)
def test_an_address_is_checked_when_it_is_stored(url: str) -> None:
    with pytest.raises(InvalidInput, match="url"):
        check_url(url)


async def test_answers_hold_until_the_next_one_and_not_for_ever(
    database: Database, tenant: Tenant
) -> None:
    began = bucket_of(utc_now()) - timedelta(hours=1)
    async with (
        answering(b"HTTP/1.1 200 OK\r\n\r\n") as (address, _),
        database.transaction(tenant_id=tenant.id) as session,
    ):
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Shop",
            indicator=SlaIndicator.HTTP_PROBE,
            objective=0.99,
        )
        await set_probe(
            session,
            tenant_id=tenant.id,
            target_id=target.id,
            request=Request(address),
            interval=MINUTE,
        )
        for minutes, is_allowed in ((0, True), (1, False), (10, True)):
            now = began + minutes * MINUTE
            await allow_private_addresses(
                session,
                principal=person(tenant, role=Role.OWNER),
                is_allowed=is_allowed,
                now=now,
            )
            due = await due_probes(session, now=now)
            await record_answers(
                session, tenant_id=tenant.id, probes=due, answers=await ask(due), now=now
            )
        assert await due_probes(session, now=now + timedelta(seconds=50)) == []
        good, bad = col(SlaObservation.good_seconds), col(SlaObservation.bad_seconds)
        rows = (await session.execute(select(good, bad).order_by(col(SlaObservation.at)))).all()
        stored = (await session.scalars(select(SlaProbe))).one()
    # Good from 0:00 to 1:00; refused from 1:00 on, which holds for two intervals.
    assert [tuple(row) for row in rows] == [(60, 120)]
    assert (stored.is_good, stored.probed_at) == (True, now)


async def test_slow_answers_that_come_after_newer_ones_count_no_time_again(
    database: Database, tenant: Tenant
) -> None:
    began = bucket_of(utc_now()) - timedelta(hours=1)
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Shop",
            indicator=SlaIndicator.HTTP_PROBE,
            objective=0.99,
        )
        await set_probe(
            session,
            tenant_id=tenant.id,
            target_id=target.id,
            request=Request("https://shop.example.com"),
            interval=MINUTE,
        )
        due = await due_probes(session, now=began)
        # What was asked in the minutes 1 and 3 is answered after what was asked in 2 and 4.
        for minutes, is_good in ((0, True), (2, True), (1, False), (4, True), (3, False)):
            await record_answers(
                session,
                tenant_id=tenant.id,
                probes=due,
                answers={target.id: Answer(is_good)},
                now=began + minutes * MINUTE,
            )
        good, bad = col(SlaObservation.good_seconds), col(SlaObservation.bad_seconds)
        rows = (await session.execute(select(good, bad))).all()
        stored = (await session.scalars(select(SlaProbe))).one()
    assert [tuple(row) for row in rows] == [(240, 0)]
    assert (stored.is_good, stored.probed_at) == (True, began + 4 * MINUTE)


async def test_one_that_hangs_up_before_anybody_could_look_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_writer: asyncio.StreamWriter, _name: str) -> None:
        return None  # as asyncio says it of a connection that was reset meanwhile

    monkeypatch.setattr(asyncio.StreamWriter, "get_extra_info", nobody)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (address, _):
        answer = await probe(Request(address, allow_private=True))
    assert answer == Answer(is_good=False, reason="unreachable")
