"""The process that plays the hosts: each sends a signed report every 15 seconds, on its own beat.

`python -m tests.bench.ingest_hosts`; started by `tests.bench.ingest`. It signs as it goes, keeps
its connections open (each is shared by many hosts: what costs the hub is requests, not sockets) and
writes down what was acknowledged: which host, which moment. A request whose turn has come while
its connection is still waiting for an answer is sent late, never left out.
"""

import argparse
import asyncio
import pickle
import statistics
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, perf_counter
from typing import cast, override

import uvloop
from nacl.signing import SigningKey

from hub.fleet.signatures import seal_headers
from tests.bench.ingest_data import body_of, load

INTERVAL_SECONDS = 15.0
_PATH = "/api/v1/ingest"
_PATIENCE_SECONDS = 60
_ACCEPTED = 202


@dataclass(slots=True)
class Told:
    """What was sent and what was answered."""

    acknowledged: list[tuple[int, datetime]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    first_refusal: str = ""


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests wait for their turn in it."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._buffer = bytearray()
        self._due: deque[tuple[int, datetime, bytes]] = deque()
        self._current: tuple[int, datetime, float] | None = None
        self._transport: asyncio.Transport | None = None
        self.is_lost = False

    async def answered(self, *, until: float) -> None:
        """Return when everything was answered, or when there is no more patience."""
        while self._is_waiting and monotonic() < until:  # noqa: ASYNC110 - nobody else waits
            await asyncio.sleep(0.05)

    @property
    def _is_waiting(self) -> bool:
        return not self.is_lost and (self._current is not None or bool(self._due))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, number: int, at: datetime, request: bytes) -> None:
        """Send a request, or keep it until the one before is answered."""
        self._due.append((number, at, request))
        self._next()

    def _next(self) -> None:
        if self._current is not None or not self._due or self._transport is None:
            return
        number, at, request = self._due.popleft()
        self._current = (number, at, perf_counter())
        self._transport.write(request)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._buffer) >= end + 4 + length:
            self._answered(int(head[9:12]), bytes(self._buffer[end + 4 :]))

    def _answered(self, status: int, body: bytes) -> None:
        if self._current is None:
            raise RuntimeError("an answer to nothing")
        number, at, sent = self._current
        self._buffer.clear()
        self._current = None
        self._told.statuses[status] += 1
        self._told.seconds.append(perf_counter() - sent)
        if status == _ACCEPTED:
            self._told.acknowledged.append((number, at))
        elif not self._told.first_refusal:
            self._told.first_refusal = body[:500].decode()
        self._next()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self._current is not None:
            self._told.statuses[0] += 1
            self._current = None

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class _Host:
    """One host: its key, and the number of its next report."""

    def __init__(self, number: int, key: SigningKey, port: int) -> None:
        self._number = number
        self._key = key
        self._port = port
        self._sequence = 0

    def request(self, at: datetime) -> bytes:
        """Return the next report, signed, as it goes over the wire."""
        self._sequence += 1
        body = body_of(self._number, at)
        sealed = seal_headers(
            self._key,
            method="POST",
            path=_PATH,
            body=body,
            sequence=self._sequence,
            sent_at=int(at.timestamp()),
        )
        headers = {
            "Host": f"127.0.0.1:{self._port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        } | sealed
        lines = [f"POST {_PATH} HTTP/1.1", *(f"{name}: {each}" for name, each in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def play(path: Path, *, port: int, seconds: float, connections: int) -> Told:
    """Play all hosts for so long, then wait for the last answers."""
    hosts = [_Host(number, host.key, port) for number, host in enumerate(load(path))]
    told = Told()
    loop = asyncio.get_running_loop()

    async def connected() -> _Connection:
        return (await loop.create_connection(lambda: _Connection(told), "127.0.0.1", port))[1]

    lines = [await connected() for _ in range(connections)]
    started, beat = monotonic(), INTERVAL_SECONDS / len(hosts)
    for turn in range(int(seconds / beat)):
        ahead = started + turn * beat - monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        number = turn % len(hosts)
        # Moments are told apart by microseconds: PostgreSQL keeps no finer ones.
        at = datetime.now(UTC)
        if lines[number % connections].is_lost:  # the hub hung up, as it may on who is silent
            lines[number % connections] = await connected()
        line = lines[number % connections]
        line.send(number, at, hosts[number].request(at))
    deadline = monotonic() + _PATIENCE_SECONDS
    for line in lines:
        await line.answered(until=deadline)
    for line in lines:
        line.close()
    return told


def main() -> None:
    """Play, and write down what was told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--told", type=Path, required=True)
    options = parser.parse_args()
    began = datetime.now(UTC)
    told = uvloop.run(
        play(
            options.hosts,
            port=options.port,
            seconds=options.seconds,
            connections=options.connections,
        )
    )
    centiles = statistics.quantiles(told.seconds, n=100) if len(told.seconds) > 1 else [0.0] * 99
    answer = {
        "acknowledged": told.acknowledged,
        "statuses": dict(told.statuses),
        "p50_ms": centiles[49] * 1000,
        "p99_ms": centiles[98] * 1000,
        "took_seconds": (datetime.now(UTC) - began) / timedelta(seconds=1),
        "first_refusal": told.first_refusal,
    }
    options.told.write_bytes(pickle.dumps(answer))


if __name__ == "__main__":
    main()
