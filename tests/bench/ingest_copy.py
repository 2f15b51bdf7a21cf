"""How fast samples land, beside asyncpg's bare COPY of the same rows.

Raw: `copy_records_to_table` as the owner, in a transaction of its own per payload, into a table of
the same columns and primary key, without row-level security and without a partition's check.
`bare` is the same without a primary key: what COPY can do at all.

The hub: the same payloads through `land_measured`, each in a transaction of its own, as an export
of OpenTelemetry lands, with a few payloads under way at once: the tenant entered, the rows copied
into the partition that takes them behind a savepoint (those that are there already would be sorted
out), each host's latest figures and last sight updated, all of it committed before the next. The
parsing of a wire format is not in it.

Each round offers all three the same rows; ratios are medians over rounds.
"""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.landing import Measured, land_measured
from hub.fleet.partitions import Partitions
from hub.fleet.reports import Figures, Sample

ROWS_A_PAYLOAD = 5_000
_UNDER_WAY = 4
_COLUMNS = ["tenant_id", *Sample._fields]
_TABLES = (
    "CREATE TABLE bench_raw (LIKE metric_samples INCLUDING ALL);"
    "CREATE TABLE bench_bare (LIKE metric_samples)"
)


@dataclass(frozen=True, slots=True)
class CopyRates:
    """Rows a second, medians over the rounds."""

    hub: float
    raw: float
    bare: float
    vs_copy: float  # median of the rounds' ratios: the hub to raw
    vs_bare: float


def measure_copy(
    owner_url: str, hub_url: str, tenant_id: UUID, agents: Sequence[UUID], *, rounds: int, rows: int
) -> CopyRates:
    """Return how fast the three were."""
    return asyncio.run(_measure(owner_url, hub_url, tenant_id, agents, rounds, rows))


async def _measure(
    owner_url: str, hub_url: str, tenant_id: UUID, agents: Sequence[UUID], rounds: int, rows: int
) -> CopyRates:
    owner = await asyncpg.connect(owner_url)
    await owner.execute(_TABLES)
    database, partitions = Database(hub_url, pool_size=2 * _UNDER_WAY), Partitions()
    rates: list[tuple[float, float, float]] = []
    try:
        for number in range(rounds + 1):  # the first warms up
            payloads = _payloads(agents, number, rows)
            raw = await _copied(owner, "bench_raw", tenant_id, payloads)
            bare = await _copied(owner, "bench_bare", tenant_id, payloads)
            landed = await _landed(database, partitions, tenant_id, payloads)
            rates.append((landed, raw, bare))
        await _check_nothing_is_missing(owner)
    finally:
        await database.close()
        await owner.execute("DROP TABLE bench_raw, bench_bare")
        await owner.close()
    measured = rates[1:]
    hub, raw, bare = (statistics.median(column) for column in zip(*measured, strict=True))
    return CopyRates(
        hub,
        raw,
        bare,
        vs_copy=statistics.median(landed / copied for landed, copied, _ in measured),
        vs_bare=statistics.median(landed / copied for landed, _, copied in measured),
    )


def _payloads(agents: Sequence[UUID], number: int, rows: int) -> list[list[Sample]]:
    """Return payloads as a collector of many hosts sends them: a moment of every host at a time."""
    start = utc_now() - timedelta(seconds=1)
    made = (
        Sample(
            agents[row % len(agents)],
            _moment(start, number, row // len(agents)),
            float(row % 97),
            48.5,
            61.0,
            0.42,
            3.2,
            11.8,
        )
        for row in range(rows)
    )
    samples = list(made)
    return [samples[at : at + ROWS_A_PAYLOAD] for at in range(0, rows, ROWS_A_PAYLOAD)]


def _moment(start: datetime, number: int, place: int) -> datetime:
    return start - timedelta(microseconds=number * 10_000 + place)


async def _copied(
    owner: Any, table: str, tenant_id: UUID, payloads: Sequence[Sequence[Sample]]
) -> float:
    started = perf_counter()
    for payload in payloads:
        async with owner.transaction():
            await owner.copy_records_to_table(
                table, records=[(tenant_id, *sample) for sample in payload], columns=_COLUMNS
            )
    return sum(map(len, payloads)) / (perf_counter() - started)


async def _landed(
    database: Database,
    partitions: Partitions,
    tenant_id: UUID,
    payloads: Sequence[Sequence[Sample]],
) -> float:
    measured = [_measured(payload) for payload in payloads]
    under_way = asyncio.Semaphore(_UNDER_WAY)

    async def land(one: Measured) -> None:
        async with under_way, database.lean.transaction(tenant_id=tenant_id) as transaction:
            await land_measured(
                transaction,
                tenant_id=tenant_id,
                measured=one,
                partitions=partitions,
                now=utc_now(),
            )

    started = perf_counter()
    await asyncio.gather(*(land(one) for one in measured))
    return sum(map(len, payloads)) / (perf_counter() - started)


def _measured(payload: Sequence[Sample]) -> Measured:
    latest: dict[UUID, Figures] = {}
    for sample in payload:
        known = latest.get(sample.agent_id)
        if known is None or known.at < sample.at:
            latest[sample.agent_id] = Figures(sample.at, *sample[2:4])
    return Measured(payload, latest)


async def _check_nothing_is_missing(owner: Any) -> None:
    missing = await owner.fetchval(
        "SELECT count(*) FROM bench_raw r WHERE NOT EXISTS (SELECT FROM metric_samples s"
        " WHERE s.tenant_id = r.tenant_id AND s.agent_id = r.agent_id AND s.at = r.at)"
    )
    if missing:
        raise RuntimeError(f"{missing} samples did not land")
