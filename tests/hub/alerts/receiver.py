"""A receiver on this machine that checks signatures itself, and behaves as badly as it is told."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def status(code: int, *headers: str) -> bytes:
    """Return an answer."""
    return "\r\n".join([f"HTTP/1.1 {code} So", *headers, "", ""]).encode()


@dataclass
class Received:
    """One request."""

    method: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, read."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    def is_signed_with(self, secret: str) -> bool:
        """Tell what the documented check tells, written without the hub's own code."""
        signed = self.headers["x-monsys-timestamp"].encode() + b"." + self.body
        expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return expected in self.headers["x-monsys-signature"].split(", ")


@dataclass
class Receiver:
    """Answers each request with the next of its answers, and with the last one ever after."""

    answers: Sequence[bytes]
    delay: float
    url: str = ""
    received: list[Received] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append(Received(first.split()[0], headers, body))
        waited = 0.0
        while waited < self.delay:  # a test may make it shorter meanwhile
            await asyncio.sleep(0.05)
            waited += 0.05
        writer.write(self.answers[min(len(self.received), len(self.answers)) - 1])
        writer.close()

    @property
    def events(self) -> list[str]:
        """What was told, in order."""
        return [one.json["event"] for one in self.received]


@asynccontextmanager
async def receiving(
    *answers: bytes, delay: float = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Receive as long as the block lasts; over TLS, where a server's side of it is given."""
    receiver = Receiver(answers or (OK,), delay)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        scheme = "http" if tls is None else "https"
        port = server.sockets[0].getsockname()[1]
        receiver.url = f"{scheme}://127.0.0.1:{port}/hook?team=1"
        yield receiver
