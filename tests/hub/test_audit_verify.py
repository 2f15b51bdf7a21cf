"""Verifying the chain: whatever was done to it behind the hub's back is found and named."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.audit import verify
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.audit.verify import Break, Damage, Verification, verify_chain
from hub.database import Database, engine_of
from hub.embedded import EmbeddedPostgres
from hub.tenancy.models import Tenant

ROWS = 5
HEAD_SET_BACK = (
    "UPDATE audit_heads h SET seq = 3, hash = l.hash FROM audit_log l"
    " WHERE h.tenant_id = :t AND l.tenant_id = :t AND l.seq = 3"
)


@pytest_asyncio.fixture
async def owner(postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[AsyncConnection]:
    """Return a connection as the tables' owner, who can do what the hub cannot."""
    engine = engine_of(postgres.owner_url(database_name), pool_size=1)
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")
    await engine.dispose()


@pytest_asyncio.fixture
async def chain(database: Database, tenant: Tenant) -> Tenant:
    """Return the tenant with a chain of five rows."""
    await append(database, tenant, *({"number": number} for number in range(ROWS)))
    return tenant


async def append(database: Database, tenant: Tenant, *details: dict[str, Any]) -> None:
    """Append one event for each of the details."""
    events = [
        AuditEvent(EventType.SIGNED_IN, "anna@example.com", "session", details=one)
        for one in details
    ]
    async with database.transaction(tenant_id=tenant.id) as session:
        await append_events(session, tenant_id=tenant.id, events=events)


async def verified(database: Database, tenant: Tenant) -> Verification:
    """Return what verifying finds."""
    async with database.transaction(tenant_id=tenant.id) as session:
        return await verify_chain(session, tenant_id=tenant.id)


async def test_an_untouched_chain_is_intact(database: Database, chain: Tenant) -> None:
    found = await verified(database, chain)
    assert (found, found.is_intact) == (Verification(ROWS, None), True)


async def test_an_empty_chain_is_intact(database: Database, tenant: Tenant) -> None:
    assert await verified(database, tenant) == Verification(0, None)


@pytest.mark.parametrize(
    "value",
    [
        1.0, 0.1 + 0.2, -0.0, 1e-7, 1e17, 1.5e300, 2**53 - 1, True, None, "",
        "Grüße, 世界 \N{PILE OF POO} \u2028 \u202e", {"nested": [1.5, {"ключ": "z"}]}, [],
    ],
)  # fmt: skip
async def test_what_json_and_the_database_make_of_a_value_keeps_the_hash(
    value: object, database: Database, tenant: Tenant
) -> None:
    await append(database, tenant, {"value": value})
    assert await verified(database, tenant) == Verification(1, None)


async def test_a_time_of_another_offset_keeps_the_hash(database: Database, tenant: Tenant) -> None:
    noon = datetime(2026, 11, 2, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    event = AuditEvent(EventType.SIGNED_IN, "anna@example.com", "session")
    async with database.transaction(tenant_id=tenant.id) as session:
        await append_events(session, tenant_id=tenant.id, events=[event], at=noon)
    assert await verified(database, tenant) == Verification(1, None)


async def test_a_long_chain_is_read_in_batches(
    database: Database, chain: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (1, 2, ROWS, ROWS + 1):
        monkeypatch.setattr(verify, "_BATCH_ROWS", size)
        assert await verified(database, chain) == Verification(ROWS, None)


@pytest.mark.parametrize(
    ("_case", "tampering", "found"),
    [
        (
            "changed details",
            "UPDATE audit_log SET details = '{\"number\": 9}' WHERE tenant_id = :t AND seq = 3",
            Verification(2, Break(3, Damage.ROW_CHANGED)),
        ),
        (
            "changed actor",
            "UPDATE audit_log SET actor = 'mallory' WHERE tenant_id = :t AND seq = 1",
            Verification(0, Break(1, Damage.ROW_CHANGED)),
        ),
        (
            "a number that no canonical JSON has",
            "UPDATE audit_log SET details = '{\"number\": 1e400}' WHERE tenant_id = :t AND seq = 2",
            Verification(1, Break(2, Damage.ROW_CHANGED)),
        ),
        (
            "changed hash",
            "UPDATE audit_log SET hash = repeat('f', 64) WHERE tenant_id = :t AND seq = 2",
            Verification(1, Break(2, Damage.ROW_CHANGED)),
        ),
        (
            "changed link",
            "UPDATE audit_log SET previous_hash = repeat('f', 64) WHERE tenant_id = :t AND seq = 4",
            Verification(3, Break(4, Damage.ROW_UNCHAINED)),
        ),
        (
            "deleted row",
            "DELETE FROM audit_log WHERE tenant_id = :t AND seq = 3",
            Verification(2, Break(3, Damage.ROW_MISSING)),
        ),
        (
            "deleted first row",
            "DELETE FROM audit_log WHERE tenant_id = :t AND seq = 1",
            Verification(0, Break(1, Damage.ROW_MISSING)),
        ),
        (
            "deleted tail",
            "DELETE FROM audit_log WHERE tenant_id = :t AND seq >= 4",
            Verification(3, Break(4, Damage.TAIL_MISSING)),
        ),
        (
            "all deleted",
            "DELETE FROM audit_log WHERE tenant_id = :t",
            Verification(0, Break(1, Damage.TAIL_MISSING)),
        ),
        (
            "swapped rows",
            "UPDATE audit_log SET seq = 25 - seq - 10 WHERE tenant_id = :t AND seq IN (12, 13)",
            Verification(1, Break(2, Damage.ROW_UNCHAINED)),
        ),
        (
            "head set back to an earlier row",
            HEAD_SET_BACK,
            Verification(5, Break(5, Damage.HEAD_CHANGED)),
        ),
        (
            "head of another hash",
            "UPDATE audit_heads SET hash = repeat('f', 64) WHERE tenant_id = :t",
            Verification(5, Break(5, Damage.HEAD_CHANGED)),
        ),
        (
            "deleted head",
            "DELETE FROM audit_heads WHERE tenant_id = :t",
            Verification(5, Break(5, Damage.HEAD_CHANGED)),
        ),
    ],
)
async def test_tampering_is_found_and_named(
    _case: str,
    tampering: str,
    found: Verification,
    database: Database,
    chain: Tenant,
    owner: AsyncConnection,
) -> None:
    if "12, 13" in tampering:  # out of the way first: a key is unique at every moment
        await owner.execute(
            text("UPDATE audit_log SET seq = seq + 10 WHERE tenant_id = :t AND seq IN (2, 3)"),
            {"t": chain.id},
        )
    await owner.execute(text(tampering), {"t": chain.id})
    assert await verified(database, chain) == found


async def test_only_the_tampered_tenant_is_broken(
    database: Database, chain: Tenant, other_tenant: Tenant, owner: AsyncConnection
) -> None:
    await append(database, other_tenant, {"number": 1})
    await owner.execute(text("DELETE FROM audit_log WHERE tenant_id = :t"), {"t": chain.id})
    assert await verified(database, other_tenant) == Verification(1, None)


async def test_a_chain_that_grows_meanwhile_is_verified_to_its_new_end(
    database: Database, chain: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_head = verify._head

    async def growing(*arguments: Any) -> tuple[int, str]:
        if (await read_head(*arguments))[0] == ROWS:
            await append(database, chain, {"number": "new"}, {"number": "newer"})
        return await read_head(*arguments)

    monkeypatch.setattr(verify, "_head", growing)
    assert await verified(database, chain) == Verification(ROWS + 2, None)
