"""Node programs: started under the wheel's Node.js, asked questions, shown to a person."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.acceptance.person import Account, Person
from tests.clients.real_client import Surroundings
from tests.node_packages import NODE, node_environment

SCRIPTS = Path(__file__).parent
_TIMEOUT_SECONDS = 90


@dataclass(frozen=True)
class NodeRun:
    """What a finished program left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """Return the object on the program's RESULT line."""
        assert self.status == 0, self.stderr[-2000:] or self.stdout[-2000:]
        line = next(line for line in self.stdout.splitlines() if line.startswith("RESULT "))
        result: dict[str, Any] = orjson.loads(line.removeprefix("RESULT "))
        return result


def client_environment(node_modules: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a client that must not open a browser of its own."""
    inherited = {
        name: value
        for name, value in node_environment().items()
        if name not in {"DISPLAY", "WAYLAND_DISPLAY"}
    }
    return inherited | {
        "NODE_MODULES": str(node_modules),
        "NO_PROXY": "127.0.0.1,localhost",
        "BROWSER": "true",
        **variables,
    }


@asynccontextmanager
async def node_process(
    script: Path, *arguments: str, node_modules: Path, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program under the Node.js of the wheel; end it if it is still there afterwards.

    `variables` are added to its environment.
    """
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(script), *arguments),
        env=client_environment(node_modules, **variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run_node(script: Path, *arguments: str, node_modules: Path) -> NodeRun:
    """Run a program that asks nobody anything."""
    async with node_process(script, *arguments, node_modules=node_modules) as process:
        stdout, stderr = await process.communicate()
    return NodeRun(process.returncode or 0, stdout.decode(), stderr.decode())


async def run_with_person(
    script: Path, *arguments: str, node_modules: Path, account: Account
) -> NodeRun:
    """Run a program; a person opens the link it prints, and hands it the address they end at."""
    async with node_process(script, *arguments, node_modules=node_modules) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        if not line.startswith("AUTHORIZE "):
            stdout, stderr = await process.communicate()
            raise AssertionError(line + stdout.decode()[-2000:] + stderr.decode()[-2000:])
        async with Person(account) as person:
            back = await person.allow(line.removeprefix("AUTHORIZE ").strip())
        stdout, stderr = await process.communicate(f"{back}\n".encode())
    return NodeRun(process.returncode or 0, stdout.decode(), stderr.decode())


class ScriptClient:
    """One of our scripts around an SDK: a question a line, an answer a line."""

    def __init__(self, process: asyncio.subprocess.Process, place: Surroundings) -> None:
        self._process = process
        self._place = place
        self.facts: dict[str, Any] = {}

    async def connect(self) -> None:
        """Wait until it is connected; `facts` then say how."""
        self.facts = await self._heard("READY")

    async def tools(self) -> list[str]:
        """Return the names of the tools it sees."""
        return [tool["name"] for tool in (await self._ask({}))["tools"]]

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured content."""
        answer = await self._ask({"tool": tool, "arguments": arguments})
        assert not answer.get("isError", False), answer
        assert answer["content"][0]["type"] == "text"
        content: dict[str, Any] = answer["structuredContent"]
        return content

    async def _ask(self, question: dict[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(question) + b"\n")
        await self._process.stdin.drain()
        return await self._heard("RESULT")

    async def _heard(self, word: str) -> dict[str, Any]:
        """Return what follows this word on its line; a person deals with links on the way."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said, _, rest = line.decode().strip().partition(" ")
            if said == "AUTHORIZE":
                await self._place.open_link(rest)
            elif said == word:
                heard: dict[str, Any] = orjson.loads(rest)
                return heard
        _, complaints = await self._process.communicate()
        raise AssertionError(complaints.decode()[-3000:])


@asynccontextmanager
async def typescript_v1(place: Surroundings) -> AsyncIterator[ScriptClient]:
    """Connect with the first TypeScript SDK."""
    async with _script_client("client_v1.mjs", place) as client:
        yield client


@asynccontextmanager
async def typescript_v2(place: Surroundings, mode: str = "auto") -> AsyncIterator[ScriptClient]:
    """Connect with the second TypeScript SDK."""
    async with _script_client("client_v2.mjs", place, mode) as client:
        yield client


@asynccontextmanager
async def _script_client(
    script: str, place: Surroundings, *arguments: str
) -> AsyncIterator[ScriptClient]:
    document = () if place.document_url is None else (place.document_url,)
    async with node_process(
        SCRIPTS / script,
        *(place.mcp_url, *arguments, *document),
        node_modules=place.node_modules,
        **place.variables,
    ) as process:
        client = ScriptClient(process, place)
        await client.connect()
        yield client
