"""The real hub, running: on a port in the test's own loop, or as a process to be killed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, override

import httpx2
import uvicorn

from hub.database import Database
from hub.settings import Settings
from oauth.client_documents.fetcher import DocumentFetcher

# Limits that only get in the way of tests that are not about them.
GENEROUS: dict[str, Any] = {
    "mcp_calls_per_minute": 100_000,
    "sign_in_attempts_per_minute": 10_000,
    "registrations_per_hour": 10_000,
}
_START_SECONDS = 30
_ROOT = Path(__file__).parents[1]


class _Server(uvicorn.Server):
    """Uvicorn that leaves Ctrl-C to pytest."""

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class RunningHub:
    """Where the hub answers."""

    settings: Settings
    database: Database
    http: httpx2.AsyncClient

    @property
    def origin(self) -> str:
        """Return the API's origin."""
        return self.settings.api_origin

    @property
    def app_origin(self) -> str:
        """Return the origin on which people sign in: the same server by another name."""
        return self.settings.public_app_origin

    @property
    def mcp_url(self) -> str:
        """Return the connector's URL."""
        return self.settings.resource


def loopback_listener() -> socket.socket:
    """Return a listening socket on a free port."""
    return socket.create_server(("127.0.0.1", 0), backlog=2048)


def free_port() -> int:
    """Return a port that was free a moment ago, for a program that opens it itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def serving(
    database_url: str,
    data_dir: Path,
    *,
    document_fetcher: DocumentFetcher | None = None,
    **options: Any,
) -> AsyncIterator[RunningHub]:
    """Serve the hub in this event loop, its two origins told apart by name."""
    # Imported late: the composition root pulls in everything, which most tests do not need.
    from hub.app import create_app  # noqa: PLC0415

    listener = loopback_listener()
    port = listener.getsockname()[1]
    settings = Settings(
        port=port,
        api_origin=f"http://127.0.0.1:{port}",
        app_origin=f"http://localhost:{port}",
        data_dir=data_dir,
        **(GENEROUS | options),
    )
    database = Database(database_url, pool_size=8)
    app = create_app(settings, database=database, document_fetcher=document_fetcher)
    server = _Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    serving_task = asyncio.create_task(server.serve(sockets=[listener]), name="hub")
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
        try:
            await _until_started(server, serving_task)
            yield RunningHub(settings, database, http)
        finally:
            server.should_exit = True
            await serving_task


async def _until_started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the hub ended before it started")
            await asyncio.sleep(0.01)


class HubProcess:
    """`monsys serve` as a process of its own, so that it can die at any moment."""

    # Where a failing test looks for what its hub had to say.
    logs: ClassVar[set[Path]] = set()

    def __init__(
        self,
        database_url: str,
        data_dir: Path,
        *,
        command: tuple[str, ...] = ("hub.cli", "serve"),
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._command = command
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.log = data_dir / "hub.log"
        self.logs.add(self.log)
        values = GENEROUS | {
            "port": self.port,
            "api_origin": self.origin,
            "data_dir": data_dir,
            "database_url": database_url,
            "log_format": "json",
        }
        self._environment = _environment(values | options) | dict(variables or {})
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()

    async def start(self) -> None:
        """Start it and return when it is ready."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *self._command),
                env=self._environment,
                cwd=_ROOT,  # where `tests` can be imported from
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(_START_SECONDS), httpx2.AsyncClient(trust_env=False) as http:
            while not await self._is_ready(http):
                assert self._process.returncode is None, self.log.read_text()[-4000:]
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End it as a power failure would: no handler runs, nothing is flushed."""
        assert self._process is not None
        self._process.kill()
        assert await self._process.wait() == -signal.SIGKILL
        self._process = None

    async def _is_ready(self, http: httpx2.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.origin}/health/ready")).status_code == 200
        except httpx2.TransportError:
            return False


def _environment(values: Mapping[str, object]) -> dict[str, str]:
    ours = {f"MONSYS_{name.upper()}": str(value) for name, value in values.items()}
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("MONSYS_")
    }
    return inherited | ours
