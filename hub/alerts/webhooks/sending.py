"""One notification goes out: to a checked address, signed, in bounded time, and nowhere else.

No redirects, no body read: enough of HTTP/1.1 to read a status and when to try again. As with
probes, the connection goes to the very address that was checked, so that a name which resolves to
something else a moment later gains nothing.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from hub.errors import InvalidInput
from hub.sla.addresses import ForbiddenAddressError, addresses_of, check_address
from hub.sla.probes import check_url

TIMEOUT_SECONDS = 10.0
MAX_URL_CHARACTERS = 2000
_RESOLVE_SECONDS = 5.0
_MAX_HEAD = 16_384
_MAX_HEADERS = 100
_PORTS = {"http": 80, "https": 443}
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


async def check_destination(url: str, *, allow_private: bool) -> None:
    """Raise InvalidInput unless notifications may go there, as far as can be told now."""
    check_url(url)
    parts = urlsplit(url)
    if len(url) > MAX_URL_CHARACTERS or parts.fragment:
        raise InvalidInput(
            f"`url` may have {MAX_URL_CHARACTERS} characters and no #fragment.", field="url"
        )
    if parts.scheme != "https" and not allow_private:
        raise InvalidInput("`url` must begin with https://.", field="url")
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            await _addresses(url, allow_private=allow_private)
    except ForbiddenAddressError as error:
        raise InvalidInput(
            "`url` leads to a private or special address. Use a public https:// address, or allow"
            " private ones for this tenant with allowPrivateProbes.",
            field="url",
        ) from error
    except (OSError, TimeoutError, UnicodeError) as error:
        raise InvalidInput(
            "`url` names a host that does not resolve; check its spelling.", field="url"
        ) from error


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
        word = next((word for kind, word in _WORDS.items() if isinstance(error, kind)), None)
        if word is None:
            raise
        return Answer(error=word)


async def _addresses(url: str, *, allow_private: bool) -> list[str]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    found = await addresses_of(host, port, allow_private=allow_private)
    if parts.scheme == "http" and any(ipaddress.ip_address(one).is_global for one in found):
        raise ForbiddenAddressError(host)  # in the clear within a network of one's own, no further
    return found


async def _exchange(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool
) -> Answer:
    parts = urlsplit(url)
    [address, *_] = await _addresses(url, allow_private=allow_private)
    is_tls = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        address,
        parts.port or _PORTS[parts.scheme],
        limit=_MAX_HEAD,
        ssl=_tls() if is_tls else None,
        server_hostname=parts.hostname if is_tls else None,
    )
    try:
        # Whatever lies between: what answers is what was checked.
        check_address(writer.get_extra_info("peername")[0], allow_private=allow_private)
        writer.write(_head(url, body, headers) + body)
        await writer.drain()
        return await _answer(reader)
    finally:
        writer.transport.abort()


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
