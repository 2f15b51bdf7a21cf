"""The demo, as somebody starts it: a program with a ready file, stopped by a signal, started again.

Slow: it tells the whole story.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import psutil
import pytest
from sqlalchemy import text

from hub.cli.demo_host import this_host_name
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from seed.people import NORTHWIND_ID

pytestmark = pytest.mark.slow
_START_SECONDS = 180
_STOP_SECONDS = 30.0  # not a measurement: a stop that hangs


class Demo:
    """One run of `monsys demo`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self.ready_file.unlink(missing_ok=True)
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "hub.cli", "demo", "--port", "0"),
                *("--data-dir", str(folder / "data"), "--ready-file", str(self.ready_file)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        )

    def wait_until_ready(self) -> dict[str, Any]:
        """Return what the ready file says."""
        while not self.ready_file.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() - self.started_at < _START_SECONDS
            time.sleep(0.02)
        ready: dict[str, Any] = json.loads(self.ready_file.read_text())
        return ready

    def stop(self, number: signal.Signals) -> tuple[str, str]:
        """Stop it, and return what it printed."""
        asked_at = time.monotonic()
        self.process.send_signal(number)
        output = self.process.communicate(timeout=30)
        self.stop_seconds = time.monotonic() - asked_at
        return output


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    run = Demo(folder)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.communicate()


async def _this_host(url: str) -> tuple[str, float, float] | None:
    database = Database(url, pool_size=2)
    try:
        async with database.transaction(tenant_id=NORTHWIND_ID) as session:
            row = (
                await session.execute(
                    text(
                        "SELECT a.kernel_release, l.memory_percent, l.disk_percent"
                        " FROM agents a JOIN agent_latest l ON l.agent_id = a.id"
                        " WHERE a.name = :name"
                    ),
                    {"name": this_host_name()},
                )
            ).one_or_none()
    finally:
        await database.close()
    return (row[0], row[1], row[2]) if row else None


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder outside pytest's own, which PostgreSQL's user may not enter."""
    with TemporaryDirectory(prefix="monsys-demo-") as path:
        yield Path(path)


async def test_the_demo_serves_reports_stops_and_goes_on(folder: Path) -> None:
    with demo(folder) as first:
        ready = first.wait_until_ready()
        assert list(ready) == ["url", "mcp_url", "email", "password", "totp_secret", "tenant"]
        assert ready["mcp_url"] == f"{ready['url']}/mcp"
        assert (ready["email"], ready["tenant"]) == ("maya@example.com", "northwind")
        assert (folder / "ready.json").stat().st_mode & 0o777 == 0o600
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{ready['url']}/health/ready")).json() == {"status": "ok"}

        postgres = EmbeddedPostgres.start(folder / "data")
        reported = None
        for _ in range(200):
            reported = await _this_host(postgres.hub_url())
            if reported:
                break
            time.sleep(0.05)  # noqa: ASYNC251 - nothing else runs in this loop
        assert reported is not None
        kernel, memory, disk = reported
        assert kernel == os.uname().release
        assert memory == pytest.approx(psutil.virtual_memory().percent, abs=10)
        assert disk >= psutil.disk_usage("/").percent - 1

        printed, progress = first.stop(signal.SIGTERM)
    assert first.process.returncode == 0
    assert first.stop_seconds < _STOP_SECONDS
    assert f"claude mcp add --transport http monsys {ready['mcp_url']}" in printed
    assert ready["password"] in printed
    assert "Northwind Logistics" in progress

    with demo(folder) as second:
        again = second.wait_until_ready()
        assert [again[name] for name in ("password", "totp_secret")] == [
            ready[name] for name in ("password", "totp_secret")
        ]
        assert await _this_host(EmbeddedPostgres.start(folder / "data").hub_url()) is not None
        second.process.kill()  # a demo that dies goes on as well
        second.process.communicate()

    with demo(folder) as third:
        third.wait_until_ready()
        _, progress = third.stop(signal.SIGINT)
    assert third.process.returncode == 0
    # Nothing is told twice; how fast that makes a later start, `tests.bench.start` measures.
    assert "Northwind Logistics" not in progress
