"""Puts a bearer token onto every request: the conformance suite has no option for headers.

Everything else passes as it came, Host and Origin too, so that what the suite tests is the hub.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_MAX_HEAD_BYTES = 65_536


@asynccontextmanager
async def bearer_proxy(host: str, port: int, token: str) -> AsyncIterator[int]:
    """Serve on a free loopback port, in front of host and port, until the block ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # One request for each connection keeps this a copier of bytes.
            head = await reader.readuntil(b"\r\n\r\n")
            upstream, downstream = await asyncio.open_connection(host, port)
            lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            kept = [line for line in lines if not line.lower().startswith(b"connection:")]
            added = [b"Authorization: Bearer " + token.encode(), b"Connection: close"]
            downstream.write(b"\r\n".join([*kept, *added]) + b"\r\n\r\n")
            upload = asyncio.create_task(_copy(reader, downstream))
            await _copy(upstream, writer)
            upload.cancel()
            downstream.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_MAX_HEAD_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
