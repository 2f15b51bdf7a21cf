"""The only way to the network: name resolution and connections, for tests to replace."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from httpcore2 import AnyIOBackend, AsyncNetworkStream

# Resolving blocks a thread for as long as the resolver likes; these are not the event loop's own.
_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolver")


class Network(Protocol):
    """What fetching needs of the network."""

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the IP addresses of a host; OSError when there are none."""
        ...

    async def connect(self, address: str, port: int, *, seconds: float) -> AsyncNetworkStream:
        """Connect to an IP address."""
        ...


class Internet:
    """The real one."""

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the IP addresses of a host, as the system resolves it."""
        found = await asyncio.get_running_loop().run_in_executor(
            _THREADS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(entry[4][0]) for entry in found]

    async def connect(self, address: str, port: int, *, seconds: float) -> AsyncNetworkStream:
        """Connect to an IP address."""
        return await AnyIOBackend().connect_tcp(address, port, timeout=seconds)
