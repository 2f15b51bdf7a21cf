"""The load generator: keep-alive connections that each send the next request after the answer.

An HTTP library would cost more than the servers it measures, so this speaks just enough HTTP/1.1:
one prepared request, and answers with a Content-Length.
"""

import asyncio
import re
import statistics
from dataclasses import dataclass
from time import perf_counter
from typing import cast, override

import psutil

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Measured:
    """One server under load for a while."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float  # of the server, per request: what a noisy neighbour cannot change much


class BadAnswerError(Exception):
    """A server answered something else than the ten alerts: its speed means nothing."""


class _Caller(asyncio.Protocol):
    """One connection. Notes how long each answer took until it is told to stop."""

    def __init__(self, request: bytes, must_hold: bytes) -> None:
        self._request = request
        self._must_hold = must_hold
        self._buffer = bytearray()
        self._sent_at = 0.0
        self._stops_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.seconds: list[float] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no subclass of asyncio's, and does the same.
        self._transport = cast("asyncio.Transport", transport)

    def start(self, *, stops_at: float) -> None:
        """Send requests, one after the other, until that moment."""
        self._stops_at = stops_at
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = perf_counter()
        self._transport.write(self._request)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end_of_headers = self._buffer.find(b"\r\n\r\n")
        if end_of_headers < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end_of_headers + 2)
        if length is None or not self._buffer.startswith(b"HTTP/1.1 200"):
            self._fail()
        elif len(self._buffer) >= end_of_headers + 4 + int(length[1]):
            self._answered()

    def _answered(self) -> None:
        now = perf_counter()
        if self._must_hold not in self._buffer:
            self._fail()
            return
        self._buffer.clear()
        self.seconds.append(now - self._sent_at)
        if now < self._stops_at:
            self._send()
        elif not self.finished.done():
            self.finished.set_result(None)

    def _fail(self) -> None:
        if not self.finished.done():
            self.finished.set_exception(BadAnswerError(bytes(self._buffer[:2000]).decode()))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(BadAnswerError("the server hung up"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def measure(
    port: int,
    request: bytes,
    *,
    process: psutil.Process,
    must_hold: bytes,
    connections: int,
    seconds: float,
) -> Measured:
    """Return what the server, this process on this port, does under load."""
    loop = asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: _Caller(request, must_hold), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    started, cpu_started = perf_counter(), _cpu_seconds(process)
    for caller in callers:
        caller.start(stops_at=started + seconds)
    try:
        await asyncio.gather(*(caller.finished for caller in callers))
    finally:
        for caller in callers:
            caller.close()
    elapsed = perf_counter() - started
    cpu_seconds = _cpu_seconds(process) - cpu_started
    taken = [took for caller in callers for took in caller.seconds]
    centiles = statistics.quantiles(taken, n=100)
    return Measured(
        requests_per_second=len(taken) / elapsed,
        p50_ms=centiles[49] * 1000,
        p99_ms=centiles[98] * 1000,
        cpu_ms=cpu_seconds / len(taken) * 1000,
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
