"""The queue of the jobs: pgqueuer's, in the hub's own database.

A schedule puts one job a tenant into the queue; any number of hub processes take jobs from it with
SKIP LOCKED. A job whose process died is taken again by another one, once its heartbeat is old;
`hub.jobs.work` sees to it that it is finished exactly once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, override
from uuid import UUID

import asyncpg
import orjson
import structlog
from pgqueuer import PgQueuer
from pgqueuer.models import Job as QueuedJob
from pgqueuer.models import Schedule
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from hub.alerts.webhooks.delivery import tenants_with_due
from hub.background import Background
from hub.clock import utc_now
from hub.database import Database
from hub.jobs.alerting import WEBHOOKS_JOB
from hub.jobs.work import JOBS, SCHEDULES, Job, slot_of
from hub.tenancy.models import Tenant

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 5
_LOG_KEPT = timedelta(days=2)
# The queue's rows are seen by who asks for all tenants; this connection does nothing else.
QUEUE_CONNECTION = {
    "application_name": "monsys-jobs",
    "timezone": "UTC",
    "jit": "off",
    "monsys.presented": "*",
}


class Jobs(Background):
    """Takes part in the jobs as long as the hub runs. Use as a context manager.

    `further` jobs are those that need more than the database: the composition root knows what.
    """

    name = "jobs"

    def __init__(
        self,
        database: Database,
        *,
        further: Mapping[str, Job] | None = None,
        heartbeat_timeout: timedelta = timedelta(seconds=30),
        dequeue_timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        self._database = database
        self._jobs = {**JOBS, **(further or {})}
        self._heartbeat_timeout = heartbeat_timeout
        self._dequeue_timeout = dequeue_timeout

    @override
    async def run(self) -> None:
        """Take part until cancelled; where the database is away, try again."""
        while True:
            try:
                await self._take_part()
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                SQLAlchemyError,
                OSError,
            ) as error:
                _log.warning("jobs_interrupted", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the outermost edge of a background task
                # pgqueuer wraps what its tasks raise; nothing of it may end the hub's jobs.
                _log.exception("jobs_failed")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _take_part(self) -> None:
        connection = await asyncpg.connect(
            self._database.url,
            server_settings=QUEUE_CONNECTION,
        )
        try:
            queue = PgQueuer.from_asyncpg_connection(connection)
            for name, job in self._jobs.items():
                queue.entrypoint(name)(self._runner(job))
                schedule = queue.schedule(f"schedule_{name}", SCHEDULES[name])
                schedule(self._scheduler(queue, name))
            queue.schedule("schedule_log", "50 2 * * *")(self._forget_log)
            await queue.run(
                dequeue_timeout=self._dequeue_timeout, heartbeat_timeout=self._heartbeat_timeout
            )
        finally:
            connection.terminate()

    def _runner(self, job: Job) -> Callable[[QueuedJob], Awaitable[None]]:
        async def run(queued: QueuedJob) -> None:
            told = orjson.loads(queued.payload or b"{}")
            await job(self._database, UUID(told["tenant"]), datetime.fromisoformat(told["slot"]))

        return run

    def _scheduler(self, queue: PgQueuer, name: str) -> Callable[[Schedule], Awaitable[None]]:
        async def fan_out(_schedule: Schedule) -> None:
            await enqueue(queue, name, await self._tenants(name), slot_of(name, utc_now()))

        return fan_out

    async def _tenants(self, name: str) -> list[UUID]:
        async with self._database.transaction(presented="*") as session:
            if name == WEBHOOKS_JOB:
                return await tenants_with_due(session, now=utc_now())
            return list(await session.scalars(select(col(Tenant.id)).order_by(col(Tenant.id))))

    async def _forget_log(self, _schedule: Schedule) -> None:
        async with self._database.transaction(presented="*") as session:
            for table in ("pgqueuer_log", "pgqueuer_statistics"):
                statement = text(f"DELETE FROM {table} WHERE created < :before")  # noqa: S608 - ours
                await session.execute(statement, {"before": utc_now() - _LOG_KEPT})


async def enqueue(queue: Any, name: str, tenants: list[UUID], slot: datetime) -> None:
    """Put one job a tenant into the queue, unless the same is in it already."""
    if not tenants:
        return
    told = [orjson.dumps({"tenant": str(one), "slot": slot.isoformat()}) for one in tenants]
    await queue.qm.queries.enqueue(
        [name] * len(tenants),
        [*told],
        [0] * len(tenants),
        dedupe_key=[f"{name}:{one}:{slot.isoformat()}" for one in tenants],
        on_conflict="skip",
    )
