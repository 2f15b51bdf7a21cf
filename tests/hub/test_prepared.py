"""Prepared reads and the transactions they run in."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Integer, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.database import Database
from hub.prepared import PreparedRead
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.conftest import Statements

OPEN_BY_CATEGORY = PreparedRead(
    select(col(Alert.title), col(Alert.severity), col(Alert.agent_id))
    .where(col(Alert.state) == AlertState.OPEN, col(Alert.category) == bindparam("category"))
    .order_by(col(Alert.title))
    .limit(bindparam("limit", type_=Integer))
)
HOW_MANY = PreparedRead(select(func.count()).select_from(Alert))
BROKEN = PreparedRead(select(1 / bindparam("number", type_=Integer)))
SETTING = "SELECT nullif(current_setting('monsys.tenant_id', true), '')"


def alert(tenant: Tenant, title: str, category: AlertCategory = AlertCategory.BACKUP) -> Alert:
    return Alert(
        tenant_id=tenant.id,
        fingerprint=title,
        category=category,
        severity=Severity.HIGH,
        title=title,
    )


async def store(database: Database, tenant: Tenant, *alerts: Alert) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add_all(alerts)


def backend_of(session: AsyncSession) -> Any:
    return session.execute(text("SELECT pg_backend_pid()"))


async def test_a_prepared_read_returns_what_sqlalchemy_would(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    await store(
        database,
        tenant,
        alert(tenant, "b"),
        alert(tenant, "a"),
        alert(tenant, "c"),
        alert(tenant, "other", AlertCategory.NETWORK),
    )
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await OPEN_BY_CATEGORY.rows(session, category=AlertCategory.BACKUP, limit=2)
    assert rows == [("a", Severity.HIGH, None), ("b", Severity.HIGH, None)]
    assert type(rows[0][1]) is Severity
    assert statements == [OPEN_BY_CATEGORY.text]


def test_what_is_known_at_once_is_in_the_text_and_what_varies_is_not() -> None:
    assert "alerts.state = 'open'" in OPEN_BY_CATEGORY.text
    assert "alerts.category = $1" in OPEN_BY_CATEGORY.text


async def test_a_prepared_read_sees_its_tenant_only(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await store(database, other_tenant, alert(other_tenant, "theirs"))
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await HOW_MANY.rows(session) == [(0,)]
    async with database.transaction() as session:
        assert await HOW_MANY.rows(session) == [(0,)]
    async with database.transaction(tenant_id=other_tenant.id) as session:
        assert await HOW_MANY.rows(session) == [(1,)]


async def test_a_prepared_read_sees_what_its_transaction_wrote(
    database: Database, tenant: Tenant
) -> None:
    async def write_and_fail() -> None:
        async with database.transaction(tenant_id=tenant.id) as session:
            session.add(alert(tenant, "unfinished"))
            await session.flush()
            assert await HOW_MANY.rows(session) == [(1,)]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await HOW_MANY.rows(session) == [(0,)]


async def test_a_failed_prepared_read_is_an_error_of_sqlalchemy(
    database: Database, tenant: Tenant
) -> None:
    with pytest.raises(OperationalError):
        async with database.transaction(tenant_id=tenant.id) as session:
            await BROKEN.rows(session, number=0)


async def test_a_commit_after_a_failed_statement_is_no_success(
    database: Database, tenant: Tenant
) -> None:
    async def overlook_a_failure() -> None:
        async with database.transaction(tenant_id=tenant.id) as session:
            session.add(alert(tenant, "lost"))
            await session.flush()
            with pytest.raises(OperationalError):
                await BROKEN.rows(session, number=0)

    with pytest.raises(DBAPIError, match="nothing was committed"):
        await overlook_a_failure()
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await HOW_MANY.rows(session) == [(0,)]


async def test_a_transaction_that_asks_nothing_leaves_nothing_behind(
    database: Database, tenant: Tenant
) -> None:
    single = Database(database.url, pool_size=1)
    async with single.transaction(tenant_id=tenant.id):
        pass
    async with single.engine.connect() as connection:
        assert (await connection.execute(text(SETTING))).scalar() is None
    async with single.transaction() as session:
        assert (await session.execute(text(SETTING))).scalar() is None
    await single.close()


async def test_the_tenant_is_forgotten_when_the_transaction_ends(
    database: Database, tenant: Tenant
) -> None:
    single = Database(database.url, pool_size=1)
    async with single.transaction(tenant_id=tenant.id, user_id=UUID(int=7)) as session:
        assert (await session.execute(text(SETTING))).scalar() == str(tenant.id)
    async with single.transaction() as session:
        assert (await session.execute(text(SETTING))).scalar() is None
    await single.close()


async def test_a_cancelled_caller_gives_its_connection_back(
    database: Database, tenant: Tenant
) -> None:
    single = Database(database.url, pool_size=1)
    entered = asyncio.Event()

    async def wait_inside() -> None:
        async with single.transaction(tenant_id=tenant.id) as session:
            session.add(alert(tenant, "cancelled"))
            await session.flush()
            entered.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait_inside())
    await entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with single.transaction(tenant_id=tenant.id) as session:
        assert await HOW_MANY.rows(session) == [(0,)]
    await single.close()


@pytest.mark.parametrize("is_noticed", [True, False], ids=["noticed", "not noticed yet"])
async def test_a_connection_that_the_server_ended_is_replaced(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, *, is_noticed: bool
) -> None:
    single, hung_up = Database(database.url, pool_size=1), asyncio.Event()
    async with single.transaction(tenant_id=tenant.id) as session:
        ended = (await backend_of(session)).scalar()
        pooled = await (await session.connection()).get_raw_connection()
        driver_connection: Any = pooled.driver_connection
        driver_connection.add_termination_listener(lambda _connection: hung_up.set())
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": ended})
    if is_noticed:
        await asyncio.wait_for(hung_up.wait(), timeout=10)
    else:
        monkeypatch.setattr("hub.pool.ASK_AFTER_IDLE_SECONDS", 0.0)
    async with single.transaction(tenant_id=tenant.id) as session:
        assert (await backend_of(session)).scalar() != ended
    await single.close()
