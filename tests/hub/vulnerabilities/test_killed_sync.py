"""A synchronisation that is killed loses nothing: the next one ends in the same place."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from hub.vulnerabilities.matching_models import FeedState
from hub.vulnerabilities.models import Advisory
from tests.hub.vulnerabilities.feeding import npm, sync, zipped
from tests.hub.vulnerabilities.scene import Scene, fresh

pytestmark = pytest.mark.slow
RECORDS = 6_000


async def stored(scene: Scene, ids: list[str]) -> int:
    """Return how many of these records the hub has."""
    async with scene.database.transaction(presented="*") as session:
        count = await session.scalar(
            select(func.count()).select_from(Advisory).where(col(Advisory.id).in_(ids))
        )
    return count or 0


def killed_in_the_middle(database_url: str, archive: Path, downloads: Path) -> int:
    """Start a synchronisation, kill it after its first batch, and return how it ended."""
    command = [
        sys.executable,
        "-m",
        "tests.hub.vulnerabilities.sync_process",
        database_url,
        str(archive),
        str(downloads),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("npm: records")
        process.send_signal(signal.SIGKILL)
        return process.wait(timeout=30)


async def test_a_sync_killed_in_the_middle_is_finished_by_the_next_one(
    scene: Scene, tmp_path: Path
) -> None:
    name = fresh()
    records = [npm(name if number == RECORDS - 1 else fresh()) for number in range(RECORDS)]
    ids = [known["id"] for known in records]
    await scene.host("web", ("npm", name, "1.0.0"))
    async with scene.database.transaction(presented="*") as session:
        before = await session.get(FeedState, "osv:npm")
    archive = zipped(tmp_path / "all.zip", *records)
    assert killed_in_the_middle(scene.database.url, archive, tmp_path) == -signal.SIGKILL
    kept = await stored(scene, ids)
    assert 0 < kept < RECORDS
    async with scene.database.transaction(presented="*") as session:
        after = await session.get(FeedState, "osv:npm")
    assert (after and after.checked_at) == (before and before.checked_at)  # nothing claimed
    result = await sync(scene, archive, tmp_path)
    assert (result.files, result.stored) == (RECORDS, RECORDS - kept)
    assert await stored(scene, ids) == RECORDS
    assert await scene.unfixed() == [ids[-1]]
