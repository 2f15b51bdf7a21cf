"""Fetching a metadata document: https, no redirects, public addresses only, 5 KB, 5 seconds.

The address that was checked is the address that is connected to: resolving once and connecting to
the result leaves no moment in which a name could change its mind (DNS rebinding).
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, override

import httpcore2
from httpcore2 import AsyncConnectionPool, AsyncNetworkBackend, AsyncNetworkStream

from oauth.client_documents.addresses import is_public
from oauth.client_documents.errors import DocumentRefusedError, DocumentUnavailableError
from oauth.client_documents.network import Internet, Network

MAX_DOCUMENT_BYTES = 5 * 1024
FETCH_SECONDS = 5.0
_REQUEST_HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),  # or five kilobytes could unpack to any size
    ("User-Agent", "monsys-hub (OAuth client metadata)"),
    ("Connection", "close"),
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class DocumentFetcher(Protocol):
    """Reads a document from the web."""

    async def fetch(self, url: str) -> Fetched:
        """Return the answer, whatever its status; DocumentError when there is none."""
        ...


class HttpsFetcher:
    """Reads documents from the public internet, and from nowhere else."""

    def __init__(
        self, network: Network | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._network = network or Internet()
        self._ssl_context = ssl_context or ssl.create_default_context()

    async def fetch(self, url: str) -> Fetched:
        """Return the answer of the document's host, in time and in size."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._fetch(url)
        except TimeoutError as error:
            raise DocumentUnavailableError("its host does not answer in time") from error
        except (OSError, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise DocumentUnavailableError("its host cannot be reached") from error
        except httpcore2.TimeoutException as error:
            raise DocumentUnavailableError("its host does not answer in time") from error

    async def _fetch(self, url: str) -> Fetched:
        pool = AsyncConnectionPool(
            ssl_context=self._ssl_context,
            max_connections=1,
            retries=0,
            network_backend=_CheckedBackend(self._network),
        )
        async with pool, pool.stream("GET", url, headers=_REQUEST_HEADERS) as response:
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1").strip()
                for name, value in response.headers
            }
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise DocumentRefusedError("the document is larger than 5 KB")
            return Fetched(response.status, headers, bytes(body))


class _CheckedBackend(AsyncNetworkBackend):
    """Connects by address, after every address of the host has been found to be public."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        addresses = await self._network.addresses(host, port)
        if not addresses:
            raise OSError("no address")
        if not all(is_public(address) for address in addresses):
            # One private address among public ones is how a name is used against us.
            raise DocumentRefusedError("its host has an address that is not public")
        return await self._network.connect(addresses[0], port, seconds=timeout or FETCH_SECONDS)
