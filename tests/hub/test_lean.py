"""The lean pool, and the unit of work that prefers it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory
from hub.alerts.queries import alerts_page
from hub.database import Database
from hub.lean import LeanPool
from hub.prepared import PreparedWrite
from hub.reading import ReadingWork
from hub.severity import Severity
from hub.tenancy.models import Tenant

SETTING = "SELECT nullif(current_setting('monsys.tenant_id', true), '')"
PID = "SELECT pg_backend_pid()"
ANYBODY = UUID(int=7)
RENAME = PreparedWrite(Alert.__table__.update().values(title="renamed"))  # type: ignore[attr-defined]


@pytest_asyncio.fixture
async def pool(database: Database) -> AsyncIterator[LeanPool]:
    """Return a pool of a single connection."""
    pool = LeanPool(database.url, size=1)
    yield pool
    await pool.close()


async def make_alert(database: Database, tenant: Tenant, *, title: str) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add(
            Alert(
                tenant_id=tenant.id,
                fingerprint=title,
                category=AlertCategory.BACKUP,
                severity=Severity.HIGH,
                title=title,
            )
        )


async def titles(database: Database, tenant: Tenant) -> list[str]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return list((await session.scalars(select(col(Alert.title)))).all())


async def test_the_tenant_is_seen_in_the_transaction_and_forgotten_after_it(
    pool: LeanPool, tenant: Tenant
) -> None:
    async with pool.transaction(tenant_id=tenant.id) as lean:
        pid = await lean.connection.fetchval(PID)
        assert await lean.connection.fetchval(SETTING) == str(tenant.id)
    async with pool.connection() as connection:
        assert await connection.fetchval(PID) == pid
        assert await connection.fetchval(SETTING) is None


async def test_a_tenant_can_be_left_for_another(
    pool: LeanPool, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with pool.transaction(tenant_id=tenant.id) as lean:
        await lean.enter(other_tenant.id)
        assert await lean.connection.fetchval(SETTING) == str(other_tenant.id)


async def test_an_exception_rolls_back_and_its_connection_is_not_used_again(
    database: Database, pool: LeanPool, tenant: Tenant
) -> None:
    await make_alert(database, tenant, title="before")
    pids = []

    async def fail() -> None:
        async with pool.transaction(tenant_id=tenant.id) as lean:
            pids.append(await lean.connection.fetchval(PID))
            await RENAME.run(lean)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with pool.connection() as connection:
        assert await connection.fetchval(PID) not in pids
        assert await connection.fetchval(SETTING) is None
    assert await titles(database, tenant) == ["before"]


async def test_a_commit_after_a_failed_statement_is_no_success(
    pool: LeanPool, tenant: Tenant
) -> None:
    async def overlook_a_failure() -> None:
        async with pool.transaction(tenant_id=tenant.id) as lean:
            with pytest.raises(Exception, match="division by zero"):
                await lean.connection.fetchval("SELECT 1 / 0")

    with pytest.raises(OperationalError, match="nothing was committed"):
        await overlook_a_failure()


async def test_a_cancelled_caller_leaves_no_transaction_behind(
    pool: LeanPool, tenant: Tenant
) -> None:
    entered = asyncio.Event()

    async def wait_inside() -> None:
        async with pool.transaction(tenant_id=tenant.id) as lean:
            entered.set()
            await lean.connection.fetchval("SELECT pg_sleep(60)")

    waiting = asyncio.create_task(wait_inside())
    await entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with pool.connection() as connection:
        assert await connection.fetchval(SETTING) is None


@pytest.mark.parametrize("is_noticed", [True, False], ids=["noticed", "not noticed yet"])
async def test_a_connection_that_the_server_ended_is_replaced(
    database: Database, pool: LeanPool, monkeypatch: pytest.MonkeyPatch, *, is_noticed: bool
) -> None:
    hung_up = asyncio.Event()
    async with pool.connection() as connection:
        ended = await connection.fetchval(PID)
        connection.add_termination_listener(lambda _connection: hung_up.set())
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": ended})
    if is_noticed:
        await asyncio.wait_for(hung_up.wait(), timeout=10)
    else:
        monkeypatch.setattr("hub.lean.ASK_AFTER_IDLE_SECONDS", 0.0)
    async with pool.connection() as connection:
        assert await connection.fetchval(PID) != ended


async def test_callers_wait_for_a_connection_and_say_so_when_none_comes(
    pool: LeanPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.lean._WAIT_SECONDS", 0.05)
    async with pool.connection():
        with pytest.raises(TimeoutError):
            await pool.connection().__aenter__()
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def count_alerts(session: AsyncSession) -> int:
    return (await session.execute(select(func.count()).select_from(Alert))).scalar_one()


async def test_reading_needs_no_session_until_a_query_does(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_alert(database, tenant, title="mine")
    await make_alert(database, other_tenant, title="theirs")
    pool: Any = database.engine.pool
    async with ReadingWork(database, tenant_id=tenant.id, user_id=ANYBODY) as work:
        page = await work.run(alerts_page, first=10)
        assert pool.checkedout() == 0
        counted = await work.run(count_alerts)
        assert pool.checkedout() == 1
        again = await work.run(alerts_page, first=10)
    assert pool.checkedout() == 0
    assert [row.title for row in page.rows] == ["mine"]
    assert (counted, again) == (1, page)
