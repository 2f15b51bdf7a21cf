"""HTTP probes: the hub asks a web address, and takes down whether it answered as it should.

One request, no redirects, no body read: enough of HTTP/1.1 to read a status line. An HTTP library
would resolve the name again; here the connection goes to the very address that was checked.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.errors import InvalidInput
from hub.sla.addresses import ForbiddenAddressError, addresses_of, check_address

_MAX_STATUS_LINE = 4096
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] +([0-9]{3})(?=[ \r\n])")
_MAX_EARLY_ANSWERS = 5
_EARLY = frozenset(range(100, 200)) - {101}  # after 101 it is no longer HTTP
_PORTS = {"http": 80, "https": 443}
_CONTROL = frozenset(map(chr, range(33)))


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and what counts as a good answer."""

    url: str
    timeout_seconds: float = 10.0
    expected_status: int = 200
    verifies_tls: bool = True
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the answer was good, and if not, why in one word."""

    is_good: bool
    reason: str = ""


def check_url(url: str) -> None:
    """Raise unless this is an address that a probe can ask."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a port that is none, a bracket that is not closed
        parts, port = urlsplit(""), -1
    if (
        parts.scheme not in _PORTS
        or not parts.hostname
        or parts.username is not None
        or port == -1
        or not url.isascii()
        or _CONTROL & set(url)
    ):
        raise InvalidInput(
            "`url` must be an http:// or https:// address in ASCII without a user name.",
            field="url",
        )


async def probe(request: Request) -> Answer:
    """Ask once. Never raises for what the other side does; that is what it is there to tell."""
    try:
        async with asyncio.timeout(request.timeout_seconds):
            status = await _status(request)
    except TimeoutError:
        return Answer(is_good=False, reason="timeout")
    except ForbiddenAddressError:
        return Answer(is_good=False, reason="forbidden_address")
    except ssl.SSLError:
        return Answer(is_good=False, reason="tls")
    except OSError:
        return Answer(is_good=False, reason="unreachable")
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Answer(is_good=False, reason="not_http")
    is_good = status == request.expected_status
    return Answer(is_good, "" if is_good else f"status_{status}")


async def _status(request: Request) -> int:
    parts = urlsplit(request.url)
    assert parts.hostname is not None  # noqa: S101 - check_url ran when the probe was stored
    port = parts.port or _PORTS[parts.scheme]
    [address, *_] = await addresses_of(parts.hostname, port, allow_private=request.allow_private)
    reader, writer = await asyncio.open_connection(
        address,
        port,
        limit=_MAX_STATUS_LINE,
        ssl=_tls(request) if parts.scheme == "https" else None,
        server_hostname=parts.hostname if parts.scheme == "https" else None,
    )
    try:
        # Whatever lies between: what answers is what was checked.
        peer = writer.get_extra_info("peername")
        if peer is None:
            raise ConnectionResetError  # it hung up before anybody could look
        check_address(peer[0], allow_private=request.allow_private)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: monsys-probe/1\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        return await _final_status(reader, request.expected_status)
    finally:
        writer.transport.abort()


async def _final_status(reader: asyncio.StreamReader, expected: int) -> int:
    """Read the status; of those that only say that the answer is coming (103, say), the next."""
    for _ in range(_MAX_EARLY_ANSWERS):
        found = _STATUS_LINE.match(await reader.readuntil(b"\n"))
        if found is None:
            break
        status = int(found[1])
        # RFC 9110 15.2: a client has to expect them, whether it asked for them or not.
        if status not in _EARLY or status == expected:
            return status
        while (await reader.readuntil(b"\n")).strip():
            pass
    raise ValueError("not HTTP")


def _tls(request: Request) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not request.verifies_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
