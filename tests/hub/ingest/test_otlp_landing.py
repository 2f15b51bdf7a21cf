"""Large exports: by COPY, with their counters or not at all, each once, in a few statements."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.landing import COPY_FROM_ROWS
from hub.fleet.models import AgentLatest
from hub.fleet.reports import Figures
from hub.ingest.foreign.hosts import HostHint
from hub.ingest.foreign.models import MetricCounter
from hub.ingest.foreign.otlp import counter_store
from hub.ingest.foreign.otlp.counter_store import (
    FORGET_AFTER,
    Stream,
    forget_counters,
    keep_counters,
    lock_counters,
)
from hub.ingest.foreign.otlp.counters import Counter, Counters
from hub.ingest.foreign.otlp.latest import newest_figures
from hub.ingest.keys.models import IngestSource
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import make_agent, make_tenant
from tests.hub.ingest.conftest import Send
from tests.hub.ingest.test_measured import copied  # noqa: F401 - a fixture
from tests.hub.ingest.test_otlp import START, cpu, export, gauge, latest, point, samples

HOSTS = COPY_FROM_ROWS + 10


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, accepts_unknown_hosts=True, server_limit=200)


def fleet(*metrics: Any, hosts: int = HOSTS) -> dict[str, Any]:
    """Return one request in which a collector tells the same of many hosts."""
    return {
        "resourceMetrics": [
            export(*metrics, host=f"web-{number:02}")["resourceMetrics"][0]
            for number in range(hosts)
        ]
    }


async def stored_percents(database: Database, tenant: Tenant) -> list[float | None]:
    return [one.cpu_percent for one in await samples(database, tenant)]


async def test_many_hosts_land_by_copy_with_their_rates(
    send: Send,
    database: Database,
    tenant: Tenant,
    copied: list[int],  # noqa: F811 - the fixture
) -> None:
    for told in (cpu(0, 100, 100), cpu(60, 145, 115)):
        assert (await send(IngestSource.OTLP, fleet(told))).json() == {}
    assert copied == [HOSTS]
    assert await stored_percents(database, tenant) == [25.0] * HOSTS
    async with database.transaction(tenant_id=tenant.id) as session:
        newest = (await session.scalars(select(AgentLatest))).all()
    assert {(row.at, row.cpu_percent) for row in newest} == {(START + timedelta(seconds=60), 25.0)}
    assert len(newest) == HOSTS


async def test_a_large_export_sent_again_changes_nothing_and_the_next_counts_on(
    send: Send, database: Database, tenant: Tenant
) -> None:
    second = fleet(cpu(60, 145, 115), gauge("system.cpu.load_average.1m", point(0.5, 60)))
    for told in (fleet(cpu(0, 100, 100)), second, second, fleet(cpu(120, 145, 175))):
        assert (await send(IngestSource.OTLP, told)).json() == {}
    assert await stored_percents(database, tenant) == [25.0] * HOSTS + [100.0] * HOSTS


async def test_moments_that_are_there_stay_and_the_counters_move_on(
    send: Send,
    database: Database,
    tenant: Tenant,
    copied: list[int],  # noqa: F811
) -> None:
    """What COPY cannot take goes another way, with the counters that are stored beside it."""
    await send(IngestSource.OTLP, fleet(cpu(0, 100, 100)))
    known = gauge("system.cpu.load_average.1m", point(0.5, 60))
    await send(IngestSource.OTLP, export(known, host="web-03"))
    await send(IngestSource.OTLP, fleet(cpu(60, 145, 115)))
    assert copied == []
    await send(IngestSource.OTLP, fleet(cpu(120, 145, 175)))
    assert copied == [HOSTS]
    percents = await stored_percents(database, tenant)
    assert sorted(percents[:HOSTS], key=str) == [25.0] * (HOSTS - 1) + [None]
    assert percents[HOSTS:] == [100.0] * HOSTS


async def test_the_same_large_export_at_once_is_stored_once(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await send(IngestSource.OTLP, fleet(cpu(0, 100, 100)))
    one = fleet(cpu(60, 145, 115), gauge("system.cpu.load_average.1m", point(0.5, 60)))
    other = {"resourceMetrics": one["resourceMetrics"][::-1]}
    answers = await asyncio.gather(
        *(send(IngestSource.OTLP, told) for told in (one, other, one, other))
    )
    assert [answer.json() for answer in answers] == [{}] * 4
    assert await stored_percents(database, tenant) == [25.0] * HOSTS


@pytest.mark.parametrize("failing", ["newest_figures", "land_measured"])
async def test_counters_are_stored_with_the_samples_or_not_at_all(
    send: Send,
    database: Database,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    await send(IngestSource.OTLP, fleet(cpu(0, 100, 100)))

    async def fail(*_: object, **__: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(f"hub.ingest.foreign.otlp.store.{failing}", fail)
        refused = await send(IngestSource.OTLP, fleet(cpu(60, 145, 115)))
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)
    assert await samples(database, tenant) == []
    await send(IngestSource.OTLP, fleet(cpu(60, 145, 115)))
    assert await stored_percents(database, tenant) == [25.0] * HOSTS


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (asyncpg.DiskFullError, "disk is full"),
        (asyncpg.DeadlockDetectedError, "does not answer"),
        (asyncpg.CannotConnectNowError, "does not answer"),
    ],
)
async def test_what_passes_by_itself_is_refused_so_that_it_is_sent_again(
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], BaseException],
    word: str,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OperationalError("COPY", None, error())

    monkeypatch.setattr("hub.ingest.foreign.otlp.store.land_measured", fail)
    response = await send(
        IngestSource.OTLP, export(gauge("system.cpu.load_average.1m", point(1, 0)))
    )
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert word in response.json()["message"]
    assert "nothing was stored" in response.json()["message"]


async def test_more_hosts_are_not_more_statements(
    send: Send, database: Database, tenant: Tenant, statements: Statements
) -> None:
    counts = []
    # What is looked up once: the partitions, and that the key is in use.
    await send(IngestSource.OTLP, export(gauge("system.cpu.load_average.1m", point(1, 0))))
    for hosts in (COPY_FROM_ROWS, COPY_FROM_ROWS * 4):
        # Of an hour that is over, both times: to note that it is to be added up is a statement too.
        seconds = hosts * 10 - 2 * 3600
        # New hosts are some, once; what is measured each minute is the same for any number.
        await send(IngestSource.OTLP, fleet(cpu(seconds, 100, 100), hosts=hosts))
        statements.clear()
        await send(IngestSource.OTLP, fleet(cpu(seconds + 60, 145, 115), hosts=hosts))
        counts.append(len(statements))
    assert counts[0] == counts[1] < 15
    assert len(await samples(database, tenant)) == COPY_FROM_ROWS * 5 + 1


async def test_resources_that_describe_one_host_unlike_are_one_host(
    send: Send, database: Database, tenant: Tenant
) -> None:
    def told(seconds: float, idle: float, user: float) -> dict[str, Any]:
        plain = export(cpu(seconds, idle, user))
        load = gauge("system.cpu.load_average.1m", point(0.5, seconds))
        described = export(load, os__description="Debian GNU/Linux 12")
        return {"resourceMetrics": plain["resourceMetrics"] + described["resourceMetrics"]}

    await send(IngestSource.OTLP, told(0, 100, 100))
    await send(IngestSource.OTLP, told(60, 145, 115))
    stored = await samples(database, tenant)
    assert [(one.cpu_percent, one.load1) for one in stored] == [(None, 0.5), (25.0, 0.5)]
    row = await latest(database, tenant)
    assert (row.cpu_percent, row.load1) == (25.0, 0.5)


async def test_an_export_of_megabytes_is_the_same_beside_the_event_loop(
    send: Send, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.ingest.foreign.beside._WORTH_A_THREAD_BYTES", 0)
    for told in (cpu(0, 100, 100), cpu(60, 145, 115)):
        assert (await send(IngestSource.OTLP, fleet(told))).json() == {}
    assert await stored_percents(database, tenant) == [25.0] * HOSTS


# --- counters ---------------------------------------------------------------------------------


def standing(at: int) -> Counters:
    return Counters({"cpu 2 idle": Counter(1, at, 1.0)})


async def test_of_two_first_exports_at_once_the_second_waits_and_sees_the_first(
    database: Database, tenant: Tenant
) -> None:
    agent, now = await make_agent(database, tenant), utc_now()
    stream = Stream(agent.id, "a" * 64)

    async def second() -> dict[Stream, Counters]:
        async with database.transaction(tenant_id=tenant.id) as session:
            return await lock_counters(session, tenant_id=tenant.id, streams=[stream], now=now)

    async with database.transaction(tenant_id=tenant.id) as session:
        found = await lock_counters(session, tenant_id=tenant.id, streams=[stream], now=now)
        assert found == {stream: Counters()}
        waiting = asyncio.create_task(second())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert done == set()
        await keep_counters(session, counters={stream: standing(7)}, now=now)
    assert await waiting == {stream: standing(7)}


async def test_of_two_first_figures_at_once_none_is_overlooked(
    database: Database, tenant: Tenant
) -> None:
    agent, now = await make_agent(database, tenant), utc_now()
    waiting: asyncio.Task[Any] | None = None

    async def put_together(**figures: Any) -> Figures:
        nonlocal waiting
        async with database.transaction(tenant_id=tenant.id) as session:
            told = {agent.id: [Figures(now, **figures)]}
            newest = await newest_figures(session, tenant_id=tenant.id, told=told)
            if waiting is None:
                waiting = asyncio.create_task(put_together(load1=0.5))
                done, _ = await asyncio.wait({waiting}, timeout=0.2)
                assert done == set()
            row = await session.get_one(AgentLatest, (tenant.id, agent.id))
            row.at, row.cpu_percent = now, newest[agent.id].cpu_percent
        return newest[agent.id]

    await put_together(cpu_percent=25.0)
    assert waiting is not None
    assert await waiting == Figures(now, cpu_percent=25.0, load1=0.5, disks=[])


async def test_streams_that_ended_are_forgotten_and_a_host_has_so_many_at_most(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_store, "MAX_STREAMS", 3)
    agent, other = await make_agent(database, tenant), await make_agent(database, tenant)
    now = utc_now()
    ages = [FORGET_AFTER * 2, *(timedelta(minutes=minutes) for minutes in (9, 7, 5, 3))]
    async with database.transaction(tenant_id=tenant.id) as session:
        for number, age in enumerate(ages):
            streams = [Stream(agent.id, str(number))] + [Stream(other.id, "0")] * (number == 0)
            await lock_counters(session, tenant_id=tenant.id, streams=streams, now=now - age)
        await forget_counters(session, agent_ids=[agent.id], now=now)
        kept = await session.execute(
            select(col(MetricCounter.agent_id), col(MetricCounter.stream)).order_by(
                col(MetricCounter.stream)
            )
        )
        assert {tuple(row) for row in kept} == {
            (other.id, "0"),
            *((agent.id, stream) for stream in "234"),
        }


async def test_an_sdk_that_starts_anew_each_time_leaves_a_bounded_trace(
    send: Send, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_store, "MAX_STREAMS", 5)
    for number in range(12):
        told = export(cpu(number, 100, 100), service__instance__id=str(uuid4()))
        assert (await send(IngestSource.OTLP, told)).json() == {}
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(func.count()).select_from(MetricCounter)) == 5


async def test_a_host_that_is_deleted_meanwhile_is_looked_up_again_the_next_time(
    send: Send, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partitions have no foreign key; the row of the newest figures has one."""
    load = export(gauge("system.cpu.load_average.1m", point(1, 0)))

    async def gone(_delivery: object, hints: list[HostHint]) -> dict[HostHint, UUID]:
        return {hint: uuid4() for hint in hints}

    with monkeypatch.context() as patch:
        patch.setattr("hub.ingest.foreign.otlp.store.hosts_of", gone)
        refused = await send(IngestSource.OTLP, load)
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)
    assert "was deleted" in refused.json()["message"]
    assert await samples(database, tenant) == []
    assert (await send(IngestSource.OTLP, load)).json() == {}
    assert [one.load1 for one in await samples(database, tenant)] == [1.0]
