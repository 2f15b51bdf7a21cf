"""`uv run python -m tests.bench.matching`: the matcher on a large fleet, beside a plain loop.

10,000 hosts with 700 packages each (20,100 distinct versions) against 200,000 advisories. Sort keys
are made once, when a record or a version comes in, so the full match does not pay for them
(`vs_univers`). `vs_univers_and_keys` is what the ratio would be if it made them all each time, as
the plain loop parses its versions.
"""

import asyncio
import resource
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from uuid import UUID

import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlmodel import col

from hub.database import Database, UnitOfWork, engine_of
from hub.embedded import EmbeddedPostgres
from hub.fleet.models import AgentPackage, PackageVersion
from hub.fleet.reports import InstalledPackage
from hub.migrations.runner import migrate
from hub.vulnerabilities.fanout import Hosts, fan_out
from hub.vulnerabilities.intake import take_in
from hub.vulnerabilities.inventory import take_inventory
from hub.vulnerabilities.matching import Scope, match
from hub.vulnerabilities.matching_models import PackageMatch
from hub.vulnerabilities.models import OSV_FEED
from hub.vulnerabilities.records import read_record
from hub.vulnerabilities.rematching import rematch_everywhere
from hub.vulnerabilities.subjects import name_subjects
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.bench.matching_data import (
    NOW,
    VERSIONS_PER_NAME,
    World,
    make_keys,
    make_world,
    store_catalogue,
    store_fleet,
)
from tests.bench.matching_plain import plain_match
from tests.factories import connector, make_tenant

HOSTS, FEW_HOSTS, PACKAGES = 10_000, 10, 700
_NAME = "monsys_bench"
_LISTS = 60
_REPEATS = 15
_ARRIVALS = 6  # the first one also waits for statements to be compiled


@dataclass
class Figures:
    """What was measured, in seconds unless the name says otherwise."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    async def time(self, name: str, work: Awaitable[object]) -> object:
        """Measure one piece of work."""
        started = perf_counter()
        result = await work
        self.seconds[name] = perf_counter() - started
        return result


def main() -> None:
    """Measure, print the table, and one line of JSON."""
    figures, world = Figures(), make_world()
    with tempfile.TemporaryDirectory(prefix="monsys-bench-") as folder:
        server = EmbeddedPostgres.start(Path(folder))
        asyncio.run(_sql(server.owner_url("postgres"), f"CREATE DATABASE {_NAME}"))
        migrate(server.owner_url(_NAME))
        asyncio.run(_measure(server.hub_url(_NAME), server.owner_url(_NAME), world, figures))
        # Before the plain loop and its lists: this process's own peak while it matched.
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = perf_counter()
    pairs, affected = plain_match(world)
    figures.seconds["plain"] = perf_counter() - started
    started = perf_counter()
    make_keys(world)
    figures.seconds["make all keys"] = perf_counter() - started
    figures.counts |= {"pairs": pairs, "affected_pairs": affected}
    if affected != figures.counts["matches"]:
        sys.exit(f"The plain loop finds {affected} and the hub {figures.counts['matches']}.")
    _print(figures, rss_mb)


async def _measure(hub_url: str, owner_url: str, world: World, figures: Figures) -> None:
    database, owner = Database(hub_url), engine_of(owner_url, pool_size=1)
    large, few = await make_tenant(database), await make_tenant(database)
    await figures.time("store catalogue", store_catalogue(owner, world))
    agents = await figures.time("store fleet", _store_fleet(owner, world, large.id, HOSTS))
    await _store_fleet(owner, world, few.id, FEW_HOSTS)
    assert isinstance(agents, list)
    await _sql(owner_url, "VACUUM ANALYZE")
    for tenant_id in (few.id, large.id):
        await figures.time("name versions", _in(database, tenant_id, _name_all))
        await _sql(owner_url, "ANALYZE package_subjects")
        await figures.time(
            "full match",
            _in(database, tenant_id, lambda s, t: match(s, tenant_id=t, scope=Scope())),
        )
        changed = await figures.time("fan out", _in(database, tenant_id, _fan_out_all))
        assert isinstance(changed, int)
        figures.counts["findings"] = changed
    figures.counts["matches"] = await _in(database, large.id, _count_matches)
    await _sql(owner_url, "VACUUM ANALYZE")
    await _measure_repeats(database, large.id, agents[0], figures)
    arrivals = []
    for number in range(_ARRIVALS):
        await figures.time("one advisory", _one_advisory(database, world, number))
        arrivals.append(figures.seconds["one advisory"])
    figures.seconds["first advisory"] = arrivals[0]
    figures.seconds["one advisory"] = statistics.median(arrivals[1:])
    await _measure_lists(database, {"few": few, "many": large}, figures)
    await database.close()
    await owner.dispose()


async def _store_fleet(owner: AsyncEngine, world: World, tenant_id: UUID, hosts: int) -> list[UUID]:
    return await store_fleet(owner, world, tenant_id=tenant_id, hosts=hosts, packages=PACKAGES)


async def _in[Result](
    database: Database,
    tenant_id: UUID,
    work: Callable[[AsyncSession, UUID], Awaitable[Result]],
) -> Result:
    async with database.transaction(tenant_id=tenant_id) as session:
        return await work(session, tenant_id)


async def _name_all(session: AsyncSession, tenant_id: UUID) -> None:
    while await name_subjects(session, tenant_id=tenant_id):
        pass


async def _fan_out_all(session: AsyncSession, tenant_id: UUID) -> int:
    return await fan_out(session, tenant_id=tenant_id, hosts=Hosts(), at=NOW)


async def _count_matches(session: AsyncSession, _tenant_id: UUID) -> int:
    return await session.scalar(select(func.count()).select_from(PackageMatch)) or 0


async def _measure_repeats(
    database: Database, tenant_id: UUID, agent_id: UUID, figures: Figures
) -> None:
    """One host reports what it has: for the first time, then the same again and again."""
    async with database.transaction(tenant_id=tenant_id) as session:
        names = InstalledPackage._fields
        rows = await session.execute(
            select(*(col(getattr(PackageVersion, name)) for name in names))
            .join(AgentPackage, col(AgentPackage.package_version_id) == col(PackageVersion.id))
            .where(col(AgentPackage.agent_id) == agent_id)
        )
        packages = [InstalledPackage(*row) for row in rows]
    assert len(packages) == PACKAGES
    times = []
    for number in range(_REPEATS + 1):
        started = perf_counter()
        async with database.transaction(tenant_id=tenant_id) as session:
            is_news = await take_inventory(
                session,
                tenant_id=tenant_id,
                agent_id=agent_id,
                packages=packages,
                at=NOW + timedelta(minutes=number),
            )
        assert is_news == (number == 0)
        times.append(perf_counter() - started)
    figures.seconds["first report"] = times[0]
    figures.seconds["repeated report"] = statistics.median(times[1:])


async def _one_advisory(database: Database, world: World, number: int) -> int:
    """One record arrives that names a package of the fleet in all of its versions."""
    named = world.versions[number * VERSIONS_PER_NAME]
    events = [{"introduced": "0"}, {"fixed": "9:0"}]
    record = read_record(
        {
            "id": f"BENCH-NEW-{number}",
            "modified": NOW.isoformat(),
            "affected": [
                {
                    "package": {"ecosystem": named.ecosystem, "name": named.name},
                    "ranges": [{"type": "ECOSYSTEM", "events": events}],
                }
            ],
        },
        name="bench",
    )
    async with database.transaction(presented="*") as session:
        moved = await take_in(session, feed=OSV_FEED, documents=[record])
    changed = await rematch_everywhere(database, moved=moved, at=NOW)
    assert changed > 0
    return changed


async def _measure_lists(database: Database, tenants: dict[str, object], figures: Figures) -> None:
    """Ask the tool's own operation of both fleets in turn, so that noise hits both."""
    times: dict[str, list[float]] = {name: [] for name in tenants}
    operation = operations("mcp")["monsys_list_os_cves"]
    for number in range(_LISTS + 10):
        for name, tenant in tenants.items():
            principal = connector(tenant)  # type: ignore[arg-type]
            started = perf_counter()
            async with database.transaction(tenant_id=principal.tenant_id) as session:
                result = await run_operation(
                    operation, {"limit": 20}, Context(UnitOfWork(session), principal)
                )
            elapsed = perf_counter() - started
            assert result.errors is None
            if number >= 10:  # the first ones warm caches
                times[name].append(elapsed)
    for name, measured in times.items():
        figures.seconds[f"list, {name} hosts"] = statistics.median(measured)


async def _sql(url: str, statement: str) -> None:
    engine = engine_of(url, pool_size=1)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
    await engine.dispose()


def _print(figures: Figures, rss_mb: float) -> None:
    seconds = figures.seconds
    table = Table("step", "seconds", title=f"{HOSTS:,} hosts x {PACKAGES}, 200,000 advisories")
    for name, measured in seconds.items():
        table.add_row(name, f"{measured:.4f}")
    table.caption = ", ".join(f"{name} {count:,}" for name, count in figures.counts.items())
    Console(width=90).print(table)
    line = {
        "vs_univers": round(seconds["plain"] / seconds["full match"], 1),
        "vs_univers_and_keys": round(
            seconds["plain"] / (seconds["full match"] + seconds["make all keys"]), 1
        ),
        "repeat_ms": round(seconds["repeated report"] * 1000, 1),
        "advisory_ms": round(seconds["one advisory"] * 1000, 1),
        "list_flatness": round(seconds["list, many hosts"] / seconds["list, few hosts"], 2),
        "rss_mb": round(rss_mb, 1),
    }
    sys.stdout.write(orjson.dumps(line).decode() + "\n")


if __name__ == "__main__":
    main()
