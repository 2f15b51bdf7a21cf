"""Signals and snapshots of the Trust Score: what is stored, and what the query makes of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from hub.database import Database
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.trust.commands import Signal, record_signals, resolve_signals, take_snapshot
from hub.trust.models import TrustComponent, TrustSignal, TrustSnapshot, TrustWeights
from hub.trust.reading import TrustScore, trust_score
from hub.trust.score import COMPONENT_WEIGHTS
from tests.conftest import Statements

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def signal(key: str, severity: Severity, **columns: Any) -> Signal:
    """Return a signal about CVEs of one host."""
    fields: dict[str, Any] = {
        "component": TrustComponent.CVES,
        "source": "supply_chain",
        "subject": "web-1",
        "key": key,
        "severity": severity,
        "observed_at": MONDAY,
    } | columns
    return Signal(**fields)


async def record(database: Database, tenant: Tenant, *signals: Signal) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_signals(session, tenant_id=tenant.id, signals=signals)


async def snapshot(database: Database, tenant: Tenant, at: datetime) -> float | None:
    """Take a snapshot; return its total, or -1 when there was nothing new to store."""
    async with database.transaction(tenant_id=tenant.id) as session:
        taken = await take_snapshot(session, tenant_id=tenant.id, at=at)
    return taken.score_total if taken else -1


async def score(database: Database, tenant: Tenant, now: datetime) -> TrustScore:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await trust_score(session, now=now)


async def test_the_same_signal_twice_is_one(database: Database, tenant: Tenant) -> None:
    await record(database, tenant, signal("CVE-1", Severity.HIGH), signal("CVE-1", Severity.HIGH))
    await record(database, tenant, signal("CVE-1", Severity.HIGH, resolved_at=MONDAY + HOUR))
    await record(database, tenant, signal("CVE-1", Severity.HIGH))
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = (await session.scalars(select(TrustSignal))).all()
    assert [(row.key, row.resolved_at) for row in rows] == [("CVE-1", MONDAY + HOUR)]


async def test_a_snapshot_is_taken_when_inputs_change_or_a_day_has_passed(
    database: Database, tenant: Tenant
) -> None:
    await record(database, tenant, signal("CVE-1", Severity.CRITICAL))
    assert await snapshot(database, tenant, MONDAY + HOUR) == 60  # 100 - 40
    assert await snapshot(database, tenant, MONDAY + 2 * HOUR) == -1
    assert await snapshot(database, tenant, MONDAY + HOUR + DAY) == 60
    await record(database, tenant, signal("CVE-2", Severity.HIGH, observed_at=MONDAY + DAY))
    assert await snapshot(database, tenant, MONDAY + 2 * HOUR + DAY) == 45  # 100 - 40 - 15


async def test_seeing_the_same_again_is_no_change(database: Database, tenant: Tenant) -> None:
    await record(database, tenant, signal("CVE-1", Severity.HIGH))
    assert await snapshot(database, tenant, MONDAY + HOUR) == 85
    await record(database, tenant, signal("CVE-1", Severity.HIGH, observed_at=MONDAY + HOUR))
    assert await snapshot(database, tenant, MONDAY + 2 * HOUR) == -1


async def test_what_is_resolved_counts_from_that_moment_on(
    database: Database, tenant: Tenant
) -> None:
    await record(database, tenant, signal("CVE-1", Severity.CRITICAL))
    async with database.transaction(tenant_id=tenant.id) as session:
        await resolve_signals(
            session, tenant_id=tenant.id, source="supply_chain", key="CVE-1", at=MONDAY + DAY
        )
    assert await snapshot(database, tenant, MONDAY + HOUR) == 60
    assert await snapshot(database, tenant, MONDAY + DAY) == 100


async def test_resolving_on_one_host_leaves_the_others(database: Database, tenant: Tenant) -> None:
    await record(
        database,
        tenant,
        signal("CVE-1", Severity.CRITICAL),
        signal("CVE-1", Severity.CRITICAL, subject="web-2"),
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        await resolve_signals(
            session,
            tenant_id=tenant.id,
            source="supply_chain",
            key="CVE-1",
            subject="web-2",
            at=MONDAY + HOUR,
        )
    assert await snapshot(database, tenant, MONDAY + HOUR) == 80  # 100 - 40 x 1/2


async def test_the_newest_word_counts(database: Database, tenant: Tenant) -> None:
    await record(
        database,
        tenant,
        signal("CVE-1", Severity.CRITICAL),
        signal("CVE-1", Severity.LOW, observed_at=MONDAY + HOUR),
    )
    assert await snapshot(database, tenant, MONDAY) == 60
    assert await snapshot(database, tenant, MONDAY + HOUR) == 99


async def test_a_word_older_than_thirty_days_is_forgotten(
    database: Database, tenant: Tenant
) -> None:
    await record(database, tenant, signal("CVE-1", Severity.CRITICAL))
    assert await snapshot(database, tenant, MONDAY + 30 * DAY - HOUR) == 60
    assert await snapshot(database, tenant, MONDAY + 30 * DAY) is None


async def test_the_tenants_newest_weights_are_in_force(database: Database, tenant: Tenant) -> None:
    weights = {name.value: float(weight) for name, weight in COMPONENT_WEIGHTS.items()}
    async with database.transaction(tenant_id=tenant.id) as session:
        for version, part in ((2, 30.0), (3, 40.0)):
            row = TrustWeights(
                tenant_id=tenant.id, version=version, weights=weights | {"backup": part}
            )
            session.add(row)
    await record(
        database,
        tenant,
        signal("CVE-1", Severity.CRITICAL),
        signal("nightly", Severity.INFO, component=TrustComponent.BACKUP, source="backup_check"),
    )
    # (60 x 15 + 100 x 40) / 55
    assert await snapshot(database, tenant, MONDAY) == pytest.approx(4900 / 55)
    async with database.transaction(tenant_id=tenant.id) as session:
        stored = (await session.scalars(select(TrustSnapshot))).one()
    assert stored.weights_version == 3
    assert stored.component_scores["backup"] == {"score": 100.0, "weight": 40.0}


async def test_deltas_are_against_yesterday_and_seven_days_ago(
    database: Database, tenant: Tenant
) -> None:
    await record(
        database,
        tenant,
        signal("CVE-1", Severity.HIGH, observed_at=MONDAY - 9 * DAY),
        signal("CVE-2", Severity.CRITICAL, observed_at=MONDAY - 3 * DAY),
        signal("CVE-3", Severity.MEDIUM, observed_at=MONDAY, title="libxml2 is old"),
    )
    for days in (8, 3, 0):
        await snapshot(database, tenant, MONDAY - days * DAY)
    now = await score(database, tenant, MONDAY + HOUR)
    # 100 - 15 = 85 a week ago; 85 - 40 = 45 yesterday; 45 - 4 = 41 now.
    assert (now.total, now.delta_day, now.delta_week) == (41, -4, -44)
    by_name = {one.component: one for one in now.components}
    cves = by_name.pop(TrustComponent.CVES)
    assert (cves.weight, cves.score, cves.delta_week) == (15, 41, -44)
    assert {(one.score, one.delta_week) for one in by_name.values()} == {(None, None)}
    assert [one.key for one in now.contributors] == ["CVE-2", "CVE-1", "CVE-3"]
    assert [one.points for one in now.contributors] == pytest.approx([40, 15, 4])
    assert (now.contributors[2].title, now.contributors[2].since) == ("libxml2 is old", MONDAY)


async def test_before_the_first_snapshot_there_is_no_data(
    database: Database, tenant: Tenant
) -> None:
    nothing = await score(database, tenant, MONDAY)
    assert (nothing.computed_at, nothing.total, nothing.delta_week) == (None, None, None)
    assert {one.component: one.weight for one in nothing.components} == COMPONENT_WEIGHTS


async def test_a_young_tenant_has_a_score_and_no_deltas(database: Database, tenant: Tenant) -> None:
    await record(database, tenant, signal("CVE-1", Severity.LOW))
    await snapshot(database, tenant, MONDAY)
    now = await score(database, tenant, MONDAY + HOUR)
    assert (now.total, now.delta_day, now.delta_week) == (99, None, None)


async def test_reading_is_one_statement_and_taking_four_besides_the_row(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    await record(database, tenant, signal("CVE-1", Severity.LOW))
    statements.clear()
    await snapshot(database, tenant, MONDAY)
    assert len(statements) == 5, "\n\n".join(statements)
    statements.clear()
    await score(database, tenant, MONDAY)
    assert len(statements) == 1, "\n\n".join(statements)


async def test_a_tenant_sees_and_resolves_only_its_own(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await record(database, tenant, signal("CVE-1", Severity.CRITICAL))
    await snapshot(database, tenant, MONDAY)
    async with database.transaction(tenant_id=other_tenant.id) as session:
        await resolve_signals(
            session, tenant_id=other_tenant.id, source="supply_chain", key="CVE-1", at=MONDAY
        )
    assert (await score(database, other_tenant, MONDAY)).total is None
    async with database.transaction(tenant_id=tenant.id) as session:
        unresolved = select(func.count()).where(col(TrustSignal.resolved_at).is_(None))
        assert await session.scalar(unresolved) == 1


def test_signals_take_any_sequence() -> None:
    assert isinstance((signal("CVE-1", Severity.LOW),), Sequence)
