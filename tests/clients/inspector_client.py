"""The MCP Inspector's command line: one process a question, what it was granted kept in between."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from tests.clients.node_client import node_process
from tests.clients.real_client import Surroundings
from tests.running_hub import free_port

_AUTHORIZE_URL = re.compile(r"https?://\S+/mcp/oauth/authorize\?[^\s\x07\x1b]+")


class InspectorClient:
    """Asks by command line; a question that needs a person shows them a link."""

    def __init__(self, place: Surroundings) -> None:
        self._place = place
        self._callback = f"http://127.0.0.1:{free_port()}/callback"

    async def tools(self) -> list[str]:
        """Return the names of the tools it sees."""
        return [tool["name"] for tool in (await self._ask("--method", "tools/list"))["tools"]]

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured content."""
        given = orjson.dumps(arguments).decode()
        answer = await self._ask(
            *("--method", "tools/call", "--tool-name", tool, "--tool-args-json", given)
        )
        assert not answer.get("isError", False), answer
        content: dict[str, Any] = answer["structuredContent"]
        return content

    async def _ask(self, *question: str) -> dict[str, Any]:
        place, said = self._place, ""
        script = (place.node_modules / ".bin" / "mcp-inspector").resolve()
        options = ["--transport", "http", "--protocol-era", "auto", "--callback-url"]
        options.append(self._callback)
        if place.document_url is not None:
            options += ["--client-metadata-url", place.document_url]
        variables = {
            "HOME": str(place.folder),
            "MCP_AUTO_OPEN_ENABLED": "true",  # it asks nobody who has no terminal otherwise
            "MCP_INSPECTOR_SECRET_STORE": "file",
        } | place.variables
        async with node_process(
            script,
            "--cli",
            place.mcp_url,
            *options,
            *question,
            node_modules=place.node_modules,
            **variables,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            async for line in process.stderr:
                said += line.decode()
                if found := _AUTHORIZE_URL.search(line.decode()):
                    await place.open_link(found[0])
            answer = await process.stdout.read()
            assert await process.wait() == 0, said[-3000:]
        result: dict[str, Any] = orjson.loads(answer)
        return result


@asynccontextmanager
async def inspector(place: Surroundings) -> AsyncIterator[InspectorClient]:
    """Return the command line; nothing runs between two questions."""
    yield InspectorClient(place)
