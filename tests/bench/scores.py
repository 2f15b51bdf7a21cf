"""`uv run python -m tests.bench.scores`: the summary, the score and the service levels, by fleet.

The three tools are asked in this process, each call in a transaction of its own, without HTTP: what
is common to all calls would only hide what grows. `flatness` is the worst tool's p50 with the most
agents over its p50 with the fewest; `signal_ms` what one new signal costs, its commit included.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from uuid import UUID

import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.fleet.models import Agent
from hub.overview.summary import refresh_summary
from hub.principal import PERMISSIONS_BY_SCOPE, Principal, PrincipalKind, Scope
from hub.severity import Severity
from hub.sla.commands import Observation, create_target, record_observations
from hub.sla.models import SlaIndicator
from hub.sla.periods import BUCKET, bucket_of
from hub.trust.commands import Signal, keep_snapshot, record_signals
from hub.trust.models import TrustComponent
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from seed.generator import FleetSize, generate
from seed.stable import stable_id
from tests.bench.score_database import analyse, prepare_database

TOOLS = ("monsys_kpi_summary", "monsys_trust_score", "monsys_list_sla_overview")
_CVES, _CVES_A_HOST = 2_000, 5
_TARGETS, _WINDOW = 8, timedelta(days=90)
_SIGNALS_A_TRANSACTION = 5_000


@dataclass(frozen=True, slots=True)
class Fleet:
    """One tenant that is asked."""

    agents: int
    tenant_id: UUID


def main() -> None:
    """Measure, print the table, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--calls", type=int, default=200, help="of each tool in each fleet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monsys-bench-") as folder:
        hub_url, owner_url = prepare_database(Path(folder))
        figures = asyncio.run(_measure(hub_url, owner_url, options.agents, options.calls))
    sys.stdout.write(orjson.dumps(figures).decode() + "\n")


async def _measure(hub_url: str, owner_url: str, sizes: list[int], calls: int) -> dict[str, object]:
    database = Database(hub_url, pool_size=4)
    fleets = [await _fill(database, size) for size in sizes]
    await analyse(owner_url)
    # Interleaved, so that a noisy neighbour hits all fleets alike.
    taken: dict[tuple[str, int], list[float]] = {}
    for _ in range(calls):
        for fleet in fleets:
            for tool in TOOLS:
                seconds = await _timed(partial(_ask, database, fleet, tool))
                taken.setdefault((tool, fleet.agents), []).append(seconds)
    p50 = {key: statistics.median(seconds) * 1000 for key, seconds in taken.items()}
    signals = {
        fleet.agents: [
            await _timed(partial(_signal, database, fleet, number)) for number in range(50)
        ]
        for fleet in fleets
    }
    refreshes = {
        fleet.agents: [await _timed(partial(_refresh, database, fleet)) for _ in range(20)]
        for fleet in fleets
    }
    await database.close()
    rows = {
        **{tool: {size: p50[tool, size] for size in sizes} for tool in TOOLS},
        "one new signal": {s: statistics.median(t) * 1000 for s, t in signals.items()},
        "summary counted anew": {s: statistics.median(t) * 1000 for s, t in refreshes.items()},
    }
    _print_table(rows, sizes)
    by_tool = {tool: round(p50[tool, sizes[-1]] / p50[tool, sizes[0]], 2) for tool in TOOLS}
    return {
        "flatness": max(by_tool.values()),
        "signal_ms": round(rows["one new signal"][sizes[-1]], 1),
        "flatness_by_tool": by_tool,
        "p50_ms": {
            name: {str(s): round(ms, 2) for s, ms in row.items()} for name, row in rows.items()
        },
    }


async def _timed(do: Callable[[], Awaitable[None]]) -> float:
    started = perf_counter()
    await do()
    return perf_counter() - started


async def _ask(database: Database, fleet: Fleet, tool: str) -> None:
    principal = Principal(
        kind=PrincipalKind.CONNECTOR,
        tenant_id=fleet.tenant_id,
        user_id=fleet.tenant_id,
        label="bench@example.com",
        permissions=PERMISSIONS_BY_SCOPE[Scope.READ],
        scopes=frozenset({Scope.READ}),
    )
    async with database.transaction(tenant_id=fleet.tenant_id) as session:
        context = Context(UnitOfWork(session), principal)
        result = await run_operation(operations("mcp")[tool], {}, context)
    if result.errors:
        raise RuntimeError(str(result.errors))


async def _signal(database: Database, fleet: Fleet, number: int) -> None:
    async with database.transaction(tenant_id=fleet.tenant_id) as session:
        signal = _bad(f"queue-{number:05}", number % _CVES, Severity.CRITICAL)
        await record_signals(session, tenant_id=fleet.tenant_id, signals=[signal])


async def _refresh(database: Database, fleet: Fleet) -> None:
    async with database.transaction(tenant_id=fleet.tenant_id) as session:
        await refresh_summary(session, tenant_id=fleet.tenant_id, now=utc_now())


async def _fill(database: Database, size: int) -> Fleet:
    """Write a tenant: its fleet, what is known of its posture, and 90 days of service levels."""
    slug, now = f"bench-{size}", utc_now()
    await generate(
        database,
        slug=slug,
        size=FleetSize(agents=size, days=1, resolution_minutes=24 * 60),
        seed=1,
        now=now,
    )
    fleet = Fleet(size, stable_id("tenant", slug))
    async with database.transaction(tenant_id=fleet.tenant_id) as session:
        names = list(await session.scalars(select(col(Agent.name)).order_by(col(Agent.name))))
    signals = [signal for index, name in enumerate(names) for signal in _posture(name, index)]
    for start in range(0, len(signals), _SIGNALS_A_TRANSACTION):
        async with database.transaction(tenant_id=fleet.tenant_id) as session:
            batch = signals[start : start + _SIGNALS_A_TRANSACTION]
            await record_signals(session, tenant_id=fleet.tenant_id, signals=batch)
    for days in (8, 2, 0):
        async with database.transaction(tenant_id=fleet.tenant_id) as session:
            at = now - timedelta(days=days)
            await keep_snapshot(session, tenant_id=fleet.tenant_id, now=at)
    await _fill_levels(database, fleet)
    return fleet


def _posture(name: str, index: int) -> list[Signal]:
    severities = (Severity.LOW, Severity.MEDIUM, Severity.HIGH)
    return [
        _bad(name, None, Severity.INFO),
        *(
            _bad(name, (index * _CVES_A_HOST + step) % _CVES, severities[step % len(severities)])
            for step in range(_CVES_A_HOST)
        ),
    ]


def _bad(name: str, cve: int | None, severity: Severity) -> Signal:
    return Signal(
        component=TrustComponent.CVES,
        source="supply_chain",
        subject=name,
        key="looked_at" if cve is None else f"CVE-2026-{cve:05}",
        title="Looked at" if cve is None else "A vulnerability of some package",
        severity=severity,
        observed_at=utc_now(),
    )


async def _fill_levels(database: Database, fleet: Fleet) -> None:
    end = bucket_of(utc_now())
    buckets = int(_WINDOW / BUCKET)
    for number in range(_TARGETS):
        async with database.transaction(tenant_id=fleet.tenant_id) as session:
            target = await create_target(
                session,
                tenant_id=fleet.tenant_id,
                name=f"Service {number}",
                indicator=SlaIndicator.CUSTOM,
                objective=0.999,
                window_days=_WINDOW.days,
                created_at=end - 2 * _WINDOW,
            )
            await record_observations(
                session,
                tenant_id=fleet.tenant_id,
                observations=[
                    Observation(
                        target_id=target.id,
                        at=end - (back + 1) * BUCKET,
                        good_seconds=300.0 if back % 997 else 270.0,
                        bad_seconds=0.0 if back % 997 else 30.0,
                    )
                    for back in range(buckets)
                ],
            )


def _print_table(rows: dict[str, dict[int, float]], sizes: list[int]) -> None:
    table = Table(title="p50 in ms, by number of agents")
    table.add_column("what")
    for size in sizes:
        table.add_column(f"{size:,}", justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[size]:.2f}" for size in sizes))
    Console(width=90).print(table)


if __name__ == "__main__":
    main()
