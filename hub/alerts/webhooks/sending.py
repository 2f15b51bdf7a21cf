"""One notification goes out: to a checked address, signed, in bounded time, and nowhere else.

No redirects, no body read: enough of HTTP/1.1 to read a status and when to try again. As with
probes, the connection goes to the very address that was checked, so that a name which resolves to
something else a moment later gains nothing.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from hub.alerts.webhooks.destination import check_addresses, host_and_port
from hub.sla.addresses import ForbiddenAddressError, addresses_of, check_address

TIMEOUT_SECONDS = 10.0
# One that swallows everything must leave time for the next.
_CONNECT_SECONDS = 4.0
_MAX_ADDRESSES = 4
_MAX_HEAD = 16_384
_MAX_HEADERS = 100
# The more special before what it is a kind of.
_WORDS: dict[type[Exception], str] = {
    TimeoutError: "timeout",
    ForbiddenAddressError: "forbidden_address",
    ssl.SSLError: "tls",
    asyncio.IncompleteReadError: "closed",
    OSError: "unreachable",
    asyncio.LimitOverrunError: "not_http",
    ValueError: "not_http",
}
# What is wrong with a certificate, by OpenSSL's X509_V_ERR numbers; `tls` is everything else.
_CERTIFICATE_WORDS = {
    9: "tls_not_yet_valid",
    10: "tls_expired",
    18: "tls_untrusted",  # signed by itself
    19: "tls_untrusted",  # its authority is
    20: "tls_untrusted",  # its authority is unknown
    21: "tls_untrusted",
    62: "tls_wrong_name",
    64: "tls_wrong_name",  # an address
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an attempt: a status, or in one word why there is none."""

    status: int | None = None
    error: str = ""
    retry_after_seconds: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004


async def send(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_private: bool,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Answer:
    """Send once. Never raises for what the other side does."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _exchange(url, body, headers, allow_private=allow_private)
    except Exception as error:
        word = _word_for(error)
        if word is None:
            raise
        return Answer(error=word)


def _word_for(error: Exception) -> str | None:
    """Return what became of an attempt in one word; None when it is the hub's own fault."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_WORDS.get(error.verify_code, "tls")
    return next((word for kind, word in _WORDS.items() if isinstance(error, kind)), None)


async def _exchange(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool
) -> Answer:
    addresses = await addresses_of(*host_and_port(url), allow_private=allow_private)
    check_addresses(url, tuple(addresses), allow_private=allow_private)
    reader, writer = await _connected(url, addresses[:_MAX_ADDRESSES])
    try:
        # Whatever lies between: what answers is what was checked.
        check_address(writer.get_extra_info("peername")[0], allow_private=allow_private)
        writer.write(_head(url, body, headers) + body)
        await writer.drain()
        return await _answer(reader)
    finally:
        writer.transport.abort()


async def _connected(
    url: str, addresses: Sequence[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of these addresses that can be reached."""
    for address in addresses[:-1]:
        try:
            return await _connect(url, address)
        except ssl.SSLError:
            raise  # somebody answered; the next address would be the same receiver's
        except OSError:
            continue
    return await _connect(url, addresses[-1])


async def _connect(url: str, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = host_and_port(url)
    is_tls = urlsplit(url).scheme == "https"
    async with asyncio.timeout(_CONNECT_SECONDS):
        return await asyncio.open_connection(
            address,
            port,
            limit=_MAX_HEAD,
            ssl=_tls() if is_tls else None,
            server_hostname=host if is_tls else None,
        )


def _head(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "User-Agent: monsys-webhook/1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _answer(reader: asyncio.StreamReader) -> Answer:
    status = await _status(reader)
    retry_after = None
    for _ in range(_MAX_HEADERS):
        line = await reader.readline()  # raises ValueError when it is too long
        if not line.strip():
            break
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after" and value.strip().isdigit():
            retry_after = int(value.strip()[:9])
    return Answer(status, "" if _is_taken(status) else f"status_{status}", retry_after)


async def _status(reader: asyncio.StreamReader) -> int:
    line = await reader.readuntil(b"\n")
    version, status, *_ = line.split(maxsplit=2)
    if not version.startswith(b"HTTP/1.") or len(status) != 3 or not status.isdigit():  # noqa: PLR2004
        raise ValueError(version)
    return int(status)


def _is_taken(status: int) -> bool:
    return Answer(status).is_taken


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
