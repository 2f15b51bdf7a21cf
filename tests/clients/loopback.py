"""A native app's listener on loopback (RFC 8252 §7.3), for clients that run in the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.acceptance.person import callback_parameters

_DONE = b"<!doctype html><title>Connected</title><p>You can close this page."


@dataclass
class Callback:
    """Where the browser comes back to, and what it brought."""

    uri: str = ""
    _came_back: asyncio.Queue[dict[str, str]] = field(default_factory=asyncio.Queue)

    async def parameters(self) -> dict[str, str]:
        """Return the query of the next visit."""
        return await self._came_back.get()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request; favicons and the like come to nothing."""
        target = (await reader.readline()).decode().split(" ")[1]
        while (await reader.readline()).strip():
            pass
        is_ours = target.startswith("/callback?")
        status = "200 OK" if is_ours else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(_DONE)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + _DONE)
        await writer.drain()
        writer.close()
        if is_ours:
            self._came_back.put_nowait(callback_parameters(target))


@asynccontextmanager
async def loopback_callback() -> AsyncIterator[Callback]:
    """Listen on a port that the system chooses."""
    callback = Callback()
    async with await asyncio.start_server(callback.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        callback.uri = f"http://127.0.0.1:{port}/callback"
        yield callback
