"""Alerts by the hub's own schedule: real processes, the real queue, and nobody who helps."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from hub.alerts.metrics import RuleMetric
from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_models import AlertWatch
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent
from hub.jobs.queue import QUEUE_CONNECTION
from tests.hub.alerts.authority import Authority
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.receiver import receiving
from tests.hub.alerts.scene import Scene

pytestmark = pytest.mark.slow

SILENCE = timedelta(seconds=90)
A_TURN = 20  # seconds between two evaluations
SLACK = 15  # for a machine that has other things to do


@asynccontextmanager
async def watching(database: Database, number: int, **env: str) -> AsyncIterator[None]:
    """Let so many processes watch; they die with the block."""
    connection = await asyncpg.connect(database.url, server_settings=QUEUE_CONNECTION)
    # Schedules that other tests put off, and jobs that their processes left.
    await connection.execute("DELETE FROM pgqueuer_schedules")
    await connection.execute("DELETE FROM pgqueuer")
    await connection.close()
    async with AsyncExitStack() as stack:
        for _ in range(number):
            running = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.hub.alerts.watch_process", database.url),
                env=os.environ | env,
            )
            stack.push_async_callback(running.wait)
            stack.callback(running.kill)
        yield


async def until(condition: Callable[[], Awaitable[bool]], *, within: float) -> float:
    """Wait until it is so; return how many seconds that took."""
    started = monotonic()
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.1)
    return monotonic() - started


async def watched_for_an_hour(scene: Scene) -> None:
    """Let the hub have watched the tenant without a break: silence means something then."""
    now = utc_now()
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        session.add(
            AlertWatch(
                tenant_id=scene.tenant.id,
                watched_since=now - timedelta(hours=1),
                evaluated_at=now - timedelta(seconds=A_TURN),
            )
        )


async def heard(scene: Scene, agent: Agent, *, ago: timedelta = timedelta()) -> None:
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await session.execute(
            update(Agent).where(col(Agent.id) == agent.id).values(last_seen_at=utc_now() - ago)
        )


async def offline_alerts(scene: Scene) -> list[Alert]:
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        found = await session.scalars(select(Alert).order_by(col(Alert.opened_at)))
        return list(found)


async def test_a_host_is_offline_after_ninety_seconds_of_silence_and_back_when_it_reports(
    scene: Scene,
) -> None:
    silent, talking = await scene.host("web-1"), await scene.host("web-2")
    await scene.rule(name="Host is offline", metric=RuleMetric.AGENT_OFFLINE, threshold=90)
    await watched_for_an_hour(scene)
    await heard(scene, silent, ago=SILENCE - timedelta(seconds=5))
    await heard(scene, talking)
    silent_since = utc_now() - SILENCE + timedelta(seconds=5)

    async def is_known() -> bool:
        await heard(scene, talking)
        return bool(await offline_alerts(scene))

    async def is_over() -> bool:
        await heard(scene, silent)
        await heard(scene, talking)
        return [one.state for one in await offline_alerts(scene)] == [AlertState.RESOLVED]

    async with watching(scene.database, 2):
        await until(is_known, within=5 + A_TURN + SLACK)
        [alert] = await offline_alerts(scene)
        assert (alert.agent_id, alert.title) == (silent.id, "Host is offline")
        assert alert.opened_at - silent_since > SILENCE  # never before its time
        assert alert.opened_at - silent_since < SILENCE + timedelta(seconds=A_TURN + SLACK)
        # Both processes go on watching, and there is nothing more to say.
        await asyncio.sleep(A_TURN + 2)
        assert [one.state for one in await offline_alerts(scene)] == [AlertState.OPEN]
        await until(is_over, within=A_TURN + SLACK)
    [alert] = await offline_alerts(scene)
    assert alert.resolved_at is not None


async def test_a_notification_goes_out_by_itself_over_tls_and_once(
    office: PostOffice, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)

    async def has_arrived() -> bool:
        return (await office.states()) == [("alert.opened", "delivered")]

    async with receiving(tls=authority.server("127.0.0.1")) as receiver:
        made = await office.webhook(receiver.url)
        async with watching(office.database, 2, SSL_CERT_FILE=str(authority.path)):
            await office.open()
            await until(has_arrived, within=10 + 2 * SLACK)
            await asyncio.sleep(12)  # the schedule comes round once more
    [got] = receiver.received
    assert got.is_signed_with(made.secret)
