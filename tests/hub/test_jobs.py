"""The jobs: shared by hub processes, finished exactly once, whoever dies in the middle."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pgqueuer import PgQueuer
from sqlalchemy import func, select, text
from sqlmodel import col

from hub.alerts.rule_models import AlertWatch
from hub.app import create_app
from hub.clock import hour_of, utc_now
from hub.database import Database
from hub.fleet.commands import insert_metric_samples
from hub.fleet.metric_models import MetricHour
from hub.fleet.reports import Sample
from hub.jobs.models import JobRun
from hub.jobs.queue import QUEUE_CONNECTION, enqueue
from hub.jobs.work import JOBS, SCHEDULES, finish_once
from hub.principal import Role
from hub.settings import Settings
from hub.severity import Severity
from hub.sla.commands import create_target
from hub.sla.models import SlaIndicator, SlaObservation
from hub.sla.probes import Request
from hub.sla.probing import allow_private_addresses, set_probe
from hub.tenancy.models import Tenant
from hub.trust.commands import Signal, record_signals
from hub.trust.models import TrustComponent, TrustSnapshot, TrustWord
from tests.factories import make_agent, make_tenant, person

pytestmark = pytest.mark.slow

SLOT = utc_now().replace(second=0, microsecond=0)
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def process(database: Database, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that takes part in the jobs; it dies with the block."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hub.job_process", database.url, *arguments)
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def queue_job(database: Database, name: str, tenants: list[UUID], slot: datetime) -> None:
    connection = await asyncpg.connect(database.url, server_settings=QUEUE_CONNECTION)
    await enqueue(PgQueuer.from_asyncpg_connection(connection), name, tenants, slot)
    await connection.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(45):
        while not await condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)


async def figures(database: Database, tenant: Tenant) -> dict[str, Any]:
    """Return what the jobs leave behind."""
    async with database.transaction(tenant_id=tenant.id) as session:
        seconds = func.sum(col(SlaObservation.good_seconds) + col(SlaObservation.bad_seconds))
        return {
            "finished": list(
                await session.scalars(select(col(JobRun.name)).where(col(JobRun.slot) == SLOT))
            ),
            "snapshots": await session.scalar(select(func.count(col(TrustSnapshot.id)))),
            "words": await session.scalar(select(func.count(col(TrustWord.key)))),
            "seconds": await session.scalar(select(func.coalesce(seconds, 0.0))),
            "watches": await session.scalar(select(func.count(col(AlertWatch.tenant_id)))),
            "old_marks": await session.scalar(
                select(func.count(col(JobRun.name))).where(col(JobRun.name) == "long ago")
            ),
        }


@pytest.fixture
async def busy_tenant(database: Database) -> Tenant:
    """Return a tenant in which every job has something to do."""
    tenant, now = await make_tenant(database), utc_now()
    agent = await make_agent(database, tenant, name="web-1", last_seen_at=now)
    async with database.transaction(tenant_id=tenant.id) as session:
        await create_target(
            session,
            tenant_id=tenant.id,
            name="Up",
            indicator=SlaIndicator.AGENT_UP,
            objective=0.99,
            agent_id=agent.id,
            is_watched=True,
            created_at=now - 2 * MINUTE,
        )
        probed = await create_target(
            session,
            tenant_id=tenant.id,
            name="Answers",
            indicator=SlaIndicator.HTTP_PROBE,
            objective=0.99,
        )
        await set_probe(
            session,
            tenant_id=tenant.id,
            target_id=probed.id,
            request=Request("http://127.0.0.1:9/", timeout_seconds=1),
            interval=MINUTE,
        )
        await allow_private_addresses(
            session, principal=person(tenant, role=Role.OWNER), is_allowed=True, now=now
        )
        await session.execute(
            text("UPDATE sla_probes SET probed_at = now() - interval '60 seconds', is_good = true")
        )
        signal = Signal(
            component=TrustComponent.BACKUP,
            source="backup_check",
            subject="db-1",
            key="nightly",
            severity=Severity.HIGH,
            observed_at=now,
        )
        await record_signals(session, tenant_id=tenant.id, signals=[signal])
        session.add(JobRun(tenant_id=tenant.id, name="long ago", slot=now - timedelta(days=9)))
    return tenant


# Roll-ups are made in transactions of a few hours each, and may be made twice.
FINISHED_ONCE = [name for name in JOBS if name != "roll_up"]


@pytest.mark.parametrize("name", FINISHED_ONCE)
async def test_a_job_whose_process_is_killed_is_finished_once_by_another(
    name: str, database: Database, busy_tenant: Tenant, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    before = await figures(database, busy_tenant)
    async with process(database, str(told)) as dying:
        await queue_job(database, name, [busy_tenant.id], SLOT)

        async def is_in_the_middle() -> bool:
            return told.exists() and told.read_text() == name

        await until(is_in_the_middle)
        assert await figures(database, busy_tenant) == before  # nothing of it is to be seen
        dying.kill()
        await dying.wait()
    async with process(database), process(database):

        async def is_finished() -> bool:
            return name in (await figures(database, busy_tenant))["finished"]

        await until(is_finished)
    after = await figures(database, busy_tenant)
    await JOBS[name](database, busy_tenant.id, SLOT)  # delivered once more
    assert await figures(database, busy_tenant) == after
    assert after["finished"] == [name]
    changes = {key for key in after if after[key] != before[key]} - {"finished"}
    assert (
        changes
        == {
            "observe": {"seconds"},
            "probe": {"seconds"},
            "score": {"snapshots", "words"},
            "recompute": set(),
            "let_go": {"old_marks"},
            "alert_rules": {"watches"},
        }[name]
    )


async def test_a_roll_up_whose_process_is_killed_is_made_by_another(
    database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    told, agent = tmp_path / "told", await make_agent(database, tenant, name="web-1")
    begin = hour_of(utc_now()) - timedelta(hours=3)
    samples = [Sample(agent.id, begin + number * MINUTE, cpu_percent=10.0) for number in range(3)]
    async with database.transaction(tenant_id=tenant.id) as session:
        await insert_metric_samples(session, tenant_id=tenant.id, samples=samples)

    async def hours() -> list[int]:
        async with database.transaction(tenant_id=tenant.id) as session:
            return list(await session.scalars(select(col(MetricHour.sample_count))))

    async def is_in_the_middle() -> bool:
        return told.exists() and told.read_text() == "roll_up"

    async def is_rolled_up() -> bool:
        return await hours() == [3]

    async with process(database, str(told)) as dying:
        await queue_job(database, "roll_up", [tenant.id], SLOT)
        await until(is_in_the_middle)
        assert await hours() == []  # nothing of it is to be seen
        dying.kill()
        await dying.wait()
    async with process(database), process(database):
        await until(is_rolled_up)
    await JOBS["roll_up"](database, tenant.id, SLOT)  # delivered once more
    assert await hours() == [3]


async def test_two_processes_share_the_jobs(database: Database) -> None:
    tenants = [(await make_tenant(database)).id for _ in range(12)]
    async with process(database), process(database):
        await queue_job(database, "observe", tenants, SLOT)

        async def marks() -> list[int]:
            found = []
            for tenant_id in tenants:
                async with database.transaction(tenant_id=tenant_id) as session:
                    found.append(await session.scalar(select(func.count(col(JobRun.name)))) or 0)
            return found

        async def are_finished() -> bool:
            return min(await marks()) > 0

        await until(are_finished)
        assert await marks() == [1] * len(tenants)  # each once, whoever did it


async def test_the_same_job_at_once_is_done_once(database: Database, tenant: Tenant) -> None:
    done = []

    async def work(_session: object, tenant_id: UUID, _now: datetime) -> None:
        done.append(tenant_id)
        await asyncio.sleep(0.1)

    results = await asyncio.gather(
        *(finish_once(database, "job", tenant.id, SLOT, work) for _ in range(4))
    )
    assert (sorted(results), done) == ([False, False, False, True], [tenant.id])


async def test_a_job_that_fails_leaves_no_mark(database: Database, tenant: Tenant) -> None:
    async def work(_session: object, _tenant_id: UUID, _now: datetime) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await finish_once(database, "job", tenant.id, SLOT, work)
    assert (await figures(database, tenant))["finished"] == []


async def test_the_hub_itself_takes_part_in_the_jobs(database: Database) -> None:
    """The application's own lifespan starts them; nothing else does."""

    async def are_scheduled() -> bool:
        connection = await asyncpg.connect(database.url, server_settings=QUEUE_CONNECTION)
        names = await connection.fetch("SELECT entrypoint FROM pgqueuer_schedules")
        await connection.close()
        return {f"schedule_{name}" for name in SCHEDULES} <= {row["entrypoint"] for row in names}

    connection = await asyncpg.connect(database.url, server_settings=QUEUE_CONNECTION)
    await connection.execute("DELETE FROM pgqueuer_schedules")
    await connection.close()
    app = create_app(Settings(), database=Database(database.url))
    async with app.router.lifespan_context(app):
        await until(are_scheduled)
    assert await are_scheduled()
