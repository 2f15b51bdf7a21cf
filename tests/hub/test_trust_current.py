"""The score that is kept current equals the one computed from all signals, whatever happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from hub.alerts.commands import open_alert, resolve_alert
from hub.alerts.models import AlertCategory
from hub.database import Database
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.trust.collect import COLLECTIONS, collect_signals
from hub.trust.commands import (
    Signal,
    forget_old_words,
    keep_snapshot,
    record_signals,
    resolve_signals,
    thin_snapshots,
)
from hub.trust.models import (
    TrustComponent,
    TrustProblem,
    TrustSnapshot,
    TrustSource,
    TrustState,
    TrustWord,
)
from hub.trust.queries import words_at
from hub.trust.reading import trust_history, trust_score
from hub.trust.rebuild import rebuild_score
from hub.trust.score import score_of
from tests.conftest import Statements
from tests.factories import make_agent, make_tenant

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
COMPONENT_OF = {
    "a": TrustComponent.CVES,
    "b": TrustComponent.CVES,
    "c": TrustComponent.BACKUP,
}

SIGNALS = st.lists(
    st.builds(
        lambda source, subject, key, severity, hours, resolved: Signal(
            component=COMPONENT_OF[source],
            source=source,
            subject=subject,
            key=key,
            title=key,
            severity=severity,
            observed_at=MONDAY + hours * HOUR,
            resolved_at=MONDAY + (hours + 1) * HOUR if resolved else None,
        ),
        st.sampled_from("abc"),
        st.sampled_from(["h1", "h2", "h3"]),
        st.sampled_from(["k1", "k2", "k3"]),
        st.sampled_from(Severity),
        st.integers(0, 200),
        st.booleans(),
    ),
    min_size=1,
    max_size=16,
    # Told twice for one moment, the first one stands; that has a test of its own.
    unique_by=lambda one: (one.source, one.subject, one.key, one.observed_at),
)
STEPS = st.lists(
    st.one_of(
        SIGNALS.map(lambda signals: sorted(signals, key=lambda one: one.observed_at)),
        st.tuples(st.sampled_from("abc"), st.sampled_from(["k1", "k2"])),
    ),
    min_size=1,
    max_size=3,  # within the 30 days after which words are forgotten
)


async def state_of(database: Database, tenant: Tenant) -> TrustState:
    async with database.transaction(tenant_id=tenant.id) as session:
        return (await session.scalars(select(TrustState))).one()


async def record(database: Database, tenant: Tenant, *signals: Signal) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_signals(session, tenant_id=tenant.id, signals=signals)


def bad(subject: str, key: str, severity: Severity, at: datetime = MONDAY) -> Signal:
    return Signal(
        component=TrustComponent.CVES,
        source="a",
        subject=subject,
        key=key,
        severity=severity,
        observed_at=at,
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
async def test_it_equals_the_score_of_all_signals_after_every_step(
    database: Database, steps: list[object]
) -> None:
    tenant = await make_tenant(database)
    for number, step in enumerate(steps):
        # Each step lies after the one before it: late signals have a test of their own.
        later = number * 201 * HOUR
        async with database.transaction(tenant_id=tenant.id) as session:
            if isinstance(step, tuple):
                await resolve_signals(
                    session,
                    tenant_id=tenant.id,
                    source=step[0],
                    key=step[1],
                    at=MONDAY + later,
                )
            else:
                assert isinstance(step, list)
                moved = [
                    replace(
                        one,
                        observed_at=one.observed_at + later,
                        resolved_at=one.resolved_at and one.resolved_at + later,
                    )
                    for one in step
                ]
                await record_signals(session, tenant_id=tenant.id, signals=moved)
            words = await words_at(session, at=MONDAY + later + 201 * HOUR)
        expected = score_of(words)
        kept = await state_of(database, tenant)
        assert kept.score_total == (
            None if expected.total is None else pytest.approx(expected.total, abs=1e-9)
        )
        assert kept.inputs_hash == expected.inputs_hash
        found = [
            (one["key"], one["subjects"], one["affected"], one["severity"], one["since"])
            for one in kept.contributors
        ]
        assert sorted(map(str, found)) == sorted(
            str((c.key, list(c.subjects), c.affected, c.severity.value, c.since.isoformat()))
            for c in expected.contributors
        )


async def test_a_rebuild_finds_what_was_kept(database: Database, tenant: Tenant) -> None:
    await record(
        database,
        tenant,
        bad("h1", "k1", Severity.CRITICAL),
        bad("h2", "k1", Severity.LOW),
        bad("h3", "fine", Severity.INFO),
        replace(bad("h1", "k2", Severity.HIGH), component=TrustComponent.BACKUP, source="c"),
    )
    before = await state_of(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        rebuilt = await rebuild_score(session, tenant_id=tenant.id, now=MONDAY + HOUR)
    after = await state_of(database, tenant)
    assert (rebuilt.words, rebuilt.has_drifted) == (4, False)
    assert (after.score_total, after.inputs_hash, after.contributors) == (
        before.score_total,
        before.inputs_hash,
        before.contributors,
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        counted = {
            (row.key, row.low, row.critical, row.lone_low, row.lone_critical)
            for row in await session.scalars(select(TrustProblem))
        }
        assert counted == {("k1", 1, 1, 1, 1), ("k2", 0, 0, 0, 0)}


async def test_a_rebuild_repairs_what_drifted(database: Database, tenant: Tenant) -> None:
    await record(database, tenant, bad("h1", "k1", Severity.CRITICAL))
    async with database.transaction(tenant_id=tenant.id) as session:
        word = (await session.scalars(select(TrustWord))).one()
        word.severity = Severity.LOW
        state = (await session.scalars(select(TrustState))).one()
        state.words_digest = bytes(32)
    async with database.transaction(tenant_id=tenant.id) as session:
        rebuilt = await rebuild_score(session, tenant_id=tenant.id, now=MONDAY + HOUR)
    assert rebuilt.has_drifted
    assert (await state_of(database, tenant)).score_total == 60


async def test_a_rebuild_keeps_what_clocks_that_are_ahead_said(
    database: Database, tenant: Tenant
) -> None:
    ahead = MONDAY + 4 * MINUTE
    resolved = replace(bad("h1", "k2", Severity.HIGH), resolved_at=ahead)
    await record(database, tenant, bad("h1", "k1", Severity.CRITICAL, ahead), resolved)
    assert (await state_of(database, tenant)).score_total == 60
    async with database.transaction(tenant_id=tenant.id) as session:
        rebuilt = await rebuild_score(session, tenant_id=tenant.id, now=MONDAY)
    assert not rebuilt.has_drifted
    assert (await state_of(database, tenant)).score_total == 60


async def test_since_is_the_first_of_an_unbroken_run(database: Database, tenant: Tenant) -> None:
    for day, severity in enumerate([Severity.HIGH, Severity.INFO, Severity.LOW, Severity.HIGH]):
        await record(database, tenant, bad("h1", "k1", severity, MONDAY + day * DAY))
    [contributor] = (await state_of(database, tenant)).contributors
    assert contributor["since"] == (MONDAY + 2 * DAY).isoformat()


async def test_a_late_signal_changes_nothing_that_is_newer(
    database: Database, tenant: Tenant
) -> None:
    await record(database, tenant, bad("h1", "k1", Severity.LOW, MONDAY + DAY))
    await record(database, tenant, bad("h1", "k1", Severity.CRITICAL, MONDAY))
    assert (await state_of(database, tenant)).score_total == 99


async def test_what_is_not_said_again_is_forgotten(database: Database, tenant: Tenant) -> None:
    await record(
        database,
        tenant,
        bad("h1", "k1", Severity.CRITICAL),
        bad("h1", "k2", Severity.LOW, MONDAY + DAY),
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        at = MONDAY + 30 * DAY
        assert await forget_old_words(session, tenant_id=tenant.id, now=at) == 1
    assert (await state_of(database, tenant)).score_total == 99
    async with database.transaction(tenant_id=tenant.id) as session:
        at = MONDAY + 31 * DAY
        assert await forget_old_words(session, tenant_id=tenant.id, now=at) == 1
        assert await forget_old_words(session, tenant_id=tenant.id, now=at) == 0
        sources = (await session.scalars(select(col(TrustSource.words)))).all()
    assert ((await state_of(database, tenant)).score_total, sources) == (None, [0])


async def test_snapshots_are_kept_when_something_changed_and_daily(
    database: Database, tenant: Tenant
) -> None:
    async def keep(at: datetime) -> float | None:
        async with database.transaction(tenant_id=tenant.id) as session:
            kept = await keep_snapshot(session, tenant_id=tenant.id, now=at)
            return kept.score_total if kept else -1

    await record(database, tenant, bad("h1", "k1", Severity.CRITICAL))
    totals = [await keep(MONDAY + hours * HOUR) for hours in (1, 2, 25)]
    await record(database, tenant, bad("h1", "k2", Severity.HIGH, MONDAY + HOUR))
    totals.append(await keep(MONDAY + 26 * HOUR))
    # 100 - 40; nothing new; a day later; 60 - 15.
    assert totals == [60, -1, 60, 45]


async def test_old_snapshots_are_thinned_to_one_a_day(database: Database, tenant: Tenant) -> None:
    for number in range(6):
        await record(database, tenant, bad("h1", f"k{number}", Severity.LOW))
        async with database.transaction(tenant_id=tenant.id) as session:
            at = MONDAY + number * 8 * HOUR
            await keep_snapshot(session, tenant_id=tenant.id, now=at)
    async with database.transaction(tenant_id=tenant.id) as session:
        await thin_snapshots(session, keep_all_since=MONDAY + 28 * HOUR, until=MONDAY - DAY)
        kept = await session.scalars(
            select(col(TrustSnapshot.computed_at)).order_by(col(TrustSnapshot.computed_at))
        )
        # Monday 08:00, 16:00 and Tuesday 00:00, 08:00 are old; of each day the last one stays.
        assert [(at - MONDAY) / HOUR for at in kept] == [8, 24, 32, 40]
        past = await trust_history(session, since=MONDAY - DAY, until=MONDAY + 9 * DAY)
    assert [((one.at - MONDAY) / HOUR, one.total) for one in past] == [(8, 98), (32, 95), (40, 94)]


async def test_the_week_s_changes_say_what_moved_the_score(
    database: Database, tenant: Tenant
) -> None:
    async def keep(at: datetime) -> None:
        async with database.transaction(tenant_id=tenant.id) as session:
            await keep_snapshot(session, tenant_id=tenant.id, now=at)

    await record(
        database, tenant, bad("h1", "old", Severity.HIGH), bad("h1", "mended", Severity.LOW)
    )
    await keep(MONDAY + HOUR)
    await record(
        database,
        tenant,
        bad("h1", "new", Severity.CRITICAL, MONDAY + 5 * DAY),
        bad("h1", "mended", Severity.INFO, MONDAY + 5 * DAY),
    )
    await keep(MONDAY + 8 * DAY)
    async with database.transaction(tenant_id=tenant.id) as session:
        now = await trust_score(session, now=MONDAY + 8 * DAY)
    assert now.delta_week == pytest.approx(-39)
    assert [(one.key, one.since, round(one.points, 6)) for one in now.changes] == [
        ("new", MONDAY + 5 * DAY, -40),
        ("mended", None, 1),
    ]


async def test_alerts_that_wait_speak_against_incident_response(
    database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-1")
    await make_agent(database, tenant, name="web-2")
    lifecycle = COLLECTIONS[1]

    async def collect(at: datetime) -> int:
        async with database.transaction(tenant_id=tenant.id) as session:
            return await collect_signals(session, lifecycle, tenant_id=tenant.id, now=at)

    async with database.transaction(tenant_id=tenant.id) as session:
        await open_alert(
            session,
            tenant_id=tenant.id,
            fingerprint="disk",
            category=AlertCategory.CAPACITY,
            severity=Severity.CRITICAL,
            title="Disk is full",
            agent_id=agent.id,
            at=MONDAY,
        )
    assert await collect(MONDAY + HOUR) == 2  # two hosts were looked at
    assert (await state_of(database, tenant)).score_total == 100
    assert await collect(MONDAY + 25 * HOUR) == 1
    # High, 15, on one of two hosts.
    assert (await state_of(database, tenant)).score_total == pytest.approx(92.5)
    assert await collect(MONDAY + 26 * HOUR) == 0
    async with database.transaction(tenant_id=tenant.id) as session:
        await resolve_alert(session, tenant_id=tenant.id, fingerprint="disk", at=MONDAY + 27 * HOUR)
    assert await collect(MONDAY + 27 * HOUR) == 1
    assert (await state_of(database, tenant)).score_total == 100


async def test_a_source_that_others_report_is_left_to_them(
    database: Database, tenant: Tenant
) -> None:
    await make_agent(database, tenant, name="web-1")
    theirs = replace(
        bad("desk", "slow", Severity.LOW),
        source="alert_lifecycle",
        component=TrustComponent.INCIDENT_RESPONSE,
    )
    await record(database, tenant, theirs)
    async with database.transaction(tenant_id=tenant.id) as session:
        for collection in COLLECTIONS:
            assert not await collect_signals(session, collection, tenant_id=tenant.id, now=MONDAY)


async def test_a_signal_costs_the_same_statements_however_much_is_known(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    counts = []
    for number in (1, 30):
        await record(
            database,
            tenant,
            *(bad(f"h{host}", f"k{host}", Severity.LOW) for host in range(number)),
        )
        statements.clear()
        await record(database, tenant, bad("h0", f"another {number}", Severity.LOW))
        counts.append(len(statements))
    assert counts == [10, 10], "\n\n".join(statements)
