"""The disk of the embedded database fills up: refusals say so, and what was acknowledged stays.

The database lives on a small file system in memory, which needs the right to mount one; without
it there is no honest way to fill a disk, and the test is skipped.
"""

import asyncio
import errno
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database, engine_of
from hub.fleet.models import MetricSample
from tests.factories import make_tenant
from tests.faults.leaks import assert_nothing_internal
from tests.faults.postgres import StoppablePostgres, new_postgres
from tests.hub.reporting import figures
from tests.running_hub import HubProcess
from tests.signed_agent import INGEST, SignedAgent, enrolled_agent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

DISK_MEGABYTES = 320
HOSTS = 20


class Disk:
    """A small file system, and the ballast that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        ballast.write(b"\0" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC  # noqa: PT017 - the reason to go on smaller

    def make_room(self) -> None:
        """Give back what the ballast took."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount a small file system here while the block runs."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0755", "tmpfs"]
    if subprocess.run([*mount, str(folder)], check=False, capture_output=True).returncode:
        pytest.skip("this needs the right to mount a file system")
    try:
        yield Disk(folder)
    finally:
        # Lazily: PostgreSQL ends with the run, and takes the file system along.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class CrampedHub:
    """A hub whose database has a disk of its own."""

    disk: Disk
    postgres: StoppablePostgres
    process: HubProcess
    agents: list[SignedAgent]
    http: httpx2.AsyncClient

    async def report(self, agent: SignedAgent, at: datetime) -> httpx2.Response:
        """Send one report, with as many file systems as make the disk fill soon."""
        body = figures(at=at.isoformat())
        disk = body["figures"]["disks"][0]
        body["figures"]["disks"] = [disk | {"mount": f"/srv/{at}/{number}"} for number in range(80)]
        content = orjson.dumps(body)
        url = f"{self.process.origin}{INGEST}"
        return await self.http.post(url, content=content, headers=agent.headers(content))

    async def stored(self) -> set[tuple[UUID, datetime]]:
        """Return what is there."""
        engine = engine_of(self.postgres.owner_url, pool_size=1)
        async with engine.connect() as connection:
            rows = await connection.execute(
                select(col(MetricSample.agent_id), col(MetricSample.at))
            )
            found = {(UUID(int=agent_id.int), at) for agent_id, at in rows}
        await engine.dispose()
        return found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder) as mounted:
        yield mounted


@pytest.fixture
def postgres(disk: Disk) -> StoppablePostgres:
    return new_postgres(disk.folder)


@pytest_asyncio.fixture
async def cramped(
    disk: Disk, postgres: StoppablePostgres, tmp_path: Path
) -> AsyncIterator[CrampedHub]:
    database = Database(postgres.hub_url, pool_size=2)
    tenant = await make_tenant(database, server_limit=1_000)
    agents = [await enrolled_agent(database, tenant.id) for _ in range(HOSTS)]
    await database.close()
    async with (
        HubProcess(postgres.hub_url, tmp_path, agent_requests_per_minute=100_000) as process,
        httpx2.AsyncClient(timeout=60, trust_env=False) as http,
    ):
        yield CrampedHub(disk, postgres, process, agents, http)
    await postgres.stop()


async def test_a_full_disk_is_said_and_costs_nothing_that_was_acknowledged(
    cramped: CrampedHub,
) -> None:
    acknowledged: set[tuple[UUID, datetime]] = set()
    refusals: list[httpx2.Response] = []
    start = utc_now() - timedelta(days=1)

    async def report_until_refused(agent: SignedAgent) -> None:
        for second in range(10_000):
            at = start + timedelta(seconds=second)
            response = await cramped.report(agent, at)
            if response.status_code != 202:
                refusals.append(response)
                return
            acknowledged.add((agent.agent_id, at))

    cramped.disk.fill()
    await asyncio.gather(*(report_until_refused(agent) for agent in cramped.agents))

    assert len(refusals) == HOSTS
    for refusal in refusals:
        assert refusal.status_code == 503
        assert int(refusal.headers["Retry-After"]) > 0
        assert "nothing was stored" in refusal.json()["error"]["message"]
        assert_nothing_internal(refusal.text)
    assert any("disk is full" in refusal.json()["error"]["message"] for refusal in refusals)
    live = await cramped.http.get(f"{cramped.process.origin}/health/live")
    assert live.status_code == 200

    cramped.disk.make_room()
    # Where the disk was too full even for its log, PostgreSQL ended itself; as a service it comes
    # back by itself.
    await cramped.postgres.start()
    async with asyncio.timeout(30):
        while (  # noqa: ASYNC110 - another process's state
            await cramped.report(cramped.agents[0], utc_now())
        ).status_code != 202:
            await asyncio.sleep(0.2)
    answers = [await cramped.report(agent, utc_now()) for agent in cramped.agents]
    assert [answer.status_code for answer in answers] == [202] * HOSTS
    assert acknowledged - await cramped.stored() == set()
