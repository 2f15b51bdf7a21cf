"""HTTP probes: the hub asks a web address, and takes down whether it answered as it should.

One request, no redirects, no body read: enough of HTTP/1.1 to read a status line. An HTTP library
would resolve the name again; here the connection goes to the very address that was checked.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.errors import InvalidInput
from hub.sla.addresses import ForbiddenAddressError, addresses_of, check_address

_MAX_STATUS_LINE = 4096
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
        check_address(writer.get_extra_info("peername")[0], allow_private=request.allow_private)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: monsys-probe/1\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        line = await reader.readuntil(b"\n")
        version, status, *_ = line.split(maxsplit=2)
        if not version.startswith(b"HTTP/1."):
            raise ValueError(version)
        return int(status)
    finally:
        writer.transport.abort()


def _tls(request: Request) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not request.verifies_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
