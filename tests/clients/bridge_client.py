"""mcp-remote, the bridge that people put between a local client and a remote server."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TextIO

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.clients.node_client import client_environment
from tests.clients.python_client import SdkClient
from tests.clients.real_client import Surroundings
from tests.node_packages import NODE
from tests.running_hub import free_port

_AUTHORIZE_URL = re.compile(r"https?://\S+/mcp/oauth/authorize\?\S+")


@asynccontextmanager
async def mcp_remote(place: Surroundings) -> AsyncIterator[SdkClient]:
    """Start the bridge and talk to it over its standard streams, as a local client does."""
    script = (place.node_modules / ".bin" / "mcp-remote").resolve()
    arguments = [str(script), place.mcp_url, str(free_port()), "--transport", "http-only"]
    arguments.append("--allow-http")
    if place.document_url is not None:
        arguments += ["--client-metadata-url", place.document_url]
    variables = {"MCP_REMOTE_CONFIG_DIR": str(place.folder)} | place.variables
    parameters = StdioServerParameters(
        command=str(NODE),
        args=arguments,
        env=client_environment(place.node_modules, **variables),
    )

    async def look_for_link(line: str) -> None:
        if found := _AUTHORIZE_URL.search(line):
            await place.open_link(found[0])

    async with (
        _reading(look_for_link) as log,
        Client(stdio_client(parameters, errlog=log), mode="legacy") as client,
    ):
        yield SdkClient(client)


@asynccontextmanager
async def _reading(see: Callable[[str], Awaitable[None]]) -> AsyncIterator[TextIO]:
    """Return a file for a program's complaints, each line of which is looked at."""
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader(limit=1 << 24)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )

    async def read() -> None:
        async for line in reader:
            await see(line.decode(errors="replace"))

    task = asyncio.create_task(read(), name="mcp-remote's log")
    try:
        with os.fdopen(write_end, "w") as log:
            yield log
        await task  # what went wrong while a link was followed is the test's failure
    finally:
        task.cancel()
        pipe.close()
