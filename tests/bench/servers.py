"""Starts the three servers, each on its port, all on one core; stops them again."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.bench.data import Prepared

NAMES = ("hub", "fastmcp", "floor")
_START_SECONDS = 60


@contextmanager
def running(
    prepared: Prepared, ports: dict[str, int], names: Sequence[str], *, core: int
) -> Iterator[dict[str, psutil.Process]]:
    """Run the servers while the block runs."""
    processes = {
        name: subprocess.Popen(_command(name, ports[name]), env=_environment(prepared, ports[name]))
        for name in names
    }
    try:
        for name, process in processes.items():
            os.sched_setaffinity(process.pid, {core})
            _wait_for(name, process, ports[name])
        yield {name: psutil.Process(process.pid) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(timeout=20)


def pin_postgres(folder: Path, *, core: int) -> None:
    """Keep the embedded PostgreSQL of this folder on one core; its backends inherit that."""
    pid = (folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
    postmaster = psutil.Process(int(pid))
    for process in (postmaster, *postmaster.children()):
        with contextlib.suppress(psutil.NoSuchProcess):  # autovacuum's come and go
            process.cpu_affinity([core])


def free_ports() -> dict[str, int]:
    """Return a port for each server."""
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in NAMES}
    ports = {name: opened.getsockname()[1] for name, opened in sockets.items()}
    for opened in sockets.values():
        opened.close()
    return ports


def _command(name: str, port: int) -> list[str]:
    if name == "hub":  # exactly as in production
        return [sys.executable, "-m", "hub.cli", "serve"]
    return [
        *(sys.executable, "-m", "uvicorn", "--factory", f"tests.bench.{name}_app:create_app"),
        *("--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning"),
    ]


def _environment(prepared: Prepared, port: int) -> dict[str, str]:
    return os.environ | {
        "BENCH_OWNER_URL": prepared.owner_url,
        "BENCH_TENANT_ID": str(prepared.tenant_id),
        "MONSYS_DATABASE_URL": prepared.hub_url,
        "MONSYS_API_ORIGIN": f"http://127.0.0.1:{port}",
        "MONSYS_PORT": str(port),
        # Calls are still counted; the bench must not be refused.
        "MONSYS_MCP_CALLS_PER_MINUTE": "100000000",
    }


def _wait_for(name: str, process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/health/live")
            connection.getresponse().read()  # whatever it says, it serves
            connection.close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{name} does not serve")
