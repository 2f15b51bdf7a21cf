"""People ask through the connector meanwhile: calls at an even pace, timed from when they are due.

A call that had to wait for the one before counts from its own moment, so a hub that stands still
for a second is seen in every call of that second.
"""

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator
from time import perf_counter

from tests.bench.request import call_request

CALLS_PER_SECOND = 20.0
_CONNECTIONS = 8


class Asking:
    """Calls that are under way."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def p99_ms(self) -> float:
        """Return what 99 of 100 calls did not exceed."""
        return statistics.quantiles(self.seconds, n=100)[98] * 1000


@contextlib.asynccontextmanager
async def asking(port: int, token: str) -> AsyncIterator[Asking]:
    """Ask while the block runs."""
    asked = Asking()
    request = call_request(port, token)
    tasks = [
        asyncio.create_task(_ask(port, request, asked, offset=place / CALLS_PER_SECOND))
        for place in range(_CONNECTIONS)
    ]
    try:
        yield asked
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [each for each in results if not isinstance(each, asyncio.CancelledError)]
    if failed:
        raise RuntimeError(f"calls failed: {failed[0]!r}")


async def _ask(port: int, request: bytes, asked: Asking, *, offset: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = perf_counter() + offset
    try:
        while True:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            if b'"structuredContent"' not in body:
                raise RuntimeError(body[:300].decode())
            asked.seconds.append(perf_counter() - due)
            due += _CONNECTIONS / CALLS_PER_SECOND
    finally:
        writer.close()
