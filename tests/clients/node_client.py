"""Runs a Node program that needs a person: shows it the way in, and reads what it found out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.acceptance.person import Account, Person
from tests.node_packages import NODE, node_environment

SCRIPTS = Path(__file__).parent
_TIMEOUT_SECONDS = 60


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


@asynccontextmanager
async def node_process(
    script: Path, *arguments: str, node_modules: Path, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program under the Node.js of the wheel; end it if it is still there afterwards.

    `variables` are added to its environment.
    """
    environment = node_environment() | {
        "NODE_MODULES": str(node_modules),
        "NO_PROXY": "127.0.0.1,localhost",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(script), *arguments),
        env=environment,
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
    script: str, *arguments: str, node_modules: Path, account: Account
) -> NodeRun:
    """Run one of our scripts; a person opens the link it prints and allows what it asks."""
    async with node_process(SCRIPTS / script, *arguments, node_modules=node_modules) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        if not line.startswith("AUTHORIZE "):
            stdout, stderr = await process.communicate()
            raise AssertionError(line + stdout.decode()[-2000:] + stderr.decode()[-2000:])
        async with Person(account) as person:
            back = await person.allow(line.removeprefix("AUTHORIZE ").strip())
        stdout, stderr = await process.communicate(f"{back}\n".encode())
    return NodeRun(process.returncode or 0, stdout.decode(), stderr.decode())
