"""A process that takes part in the jobs, and, when told so, hangs in the middle of one.

In the middle: the job has written everything, and nothing is committed. Nothing is due by itself
here: a test that runs over the full minute sees the job that it queued, and no other.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.database import Database
from hub.fleet.rollups import roll_up_hours
from hub.jobs import metrics
from hub.jobs import work as jobs_work
from hub.jobs.queue import Jobs
from hub.jobs.work import Work

QUICK = timedelta(seconds=2)
_NEVER = "0 0 29 2 *"  # as good as never


def hang_in_the_middle(told: Path) -> None:
    """Let every job write its name and wait for ever before its transaction ends."""
    finish_once = jobs_work.finish_once

    async def hanging(
        database: Database, name: str, tenant_id: UUID, slot: datetime, work: Work
    ) -> bool:
        async def do_and_hang(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
            await work(session, tenant_id, now)
            await asyncio.to_thread(told.write_text, name)
            await asyncio.sleep(3600)

        return await finish_once(database, name, tenant_id, slot, do_and_hang)

    jobs_work.finish_once = hanging

    async def roll_up_and_hang(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> bool:
        await roll_up_hours(session, tenant_id=tenant_id, now=now)
        await asyncio.to_thread(told.write_text, "roll_up")
        await asyncio.sleep(3600)
        return False

    vars(metrics)["roll_up_hours"] = roll_up_and_hang


async def main() -> None:
    """Take part until killed."""
    jobs_work.SCHEDULES.update(dict.fromkeys(jobs_work.SCHEDULES, _NEVER))
    database = Database(sys.argv[1], pool_size=4)
    if len(sys.argv) > 2:
        hang_in_the_middle(Path(sys.argv[2]))
    await Jobs(database, heartbeat_timeout=QUICK, dequeue_timeout=QUICK / 4).run()


if __name__ == "__main__":
    asyncio.run(main())
