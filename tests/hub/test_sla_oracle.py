"""Roll-ups against an oracle that goes through the history minute by minute."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from hub.database import Database
from hub.principal import Role
from hub.sla.budget import BURN_PERIODS
from hub.sla.commands import Observation, create_target, record_observations
from hub.sla.maintenance import declare_maintenance, withdraw_maintenance
from hub.sla.models import SlaHour, SlaIndicator
from hub.sla.queries import SlaStanding, sla_days, sla_standings
from hub.tenancy.models import Tenant
from tests.factories import make_tenant, person

START = datetime(2026, 10, 20, tzinfo=UTC)
BUCKET, MINUTE = timedelta(minutes=5), timedelta(minutes=1)
EXACT = 1e-9


@dataclass(frozen=True)
class History:
    """What was observed, what maintenance took out, and the minute that it is now."""

    buckets: dict[int, tuple[float, float]]  # number since START: good and bad seconds
    maintenance: Sequence[tuple[int, int]]  # first bucket, how many
    now: datetime

    def is_excluded(self, bucket: int) -> bool:
        return any(first <= bucket < first + count for first, count in self.maintenance)

    def seconds(self, since: datetime) -> tuple[float, float]:
        """Go from minute to minute; a minute has its fifth of what its five minutes had."""
        good = bad = 0.0
        minute = max(since, START)
        while minute < self.now:
            bucket = int((minute - START) / BUCKET)
            if bucket in self.buckets and not self.is_excluded(bucket):
                good += self.buckets[bucket][0] / 5
                bad += self.buckets[bucket][1] / 5
            minute += MINUTE
        return good, bad


def on_grid(seconds: float) -> float:
    """Return the seconds as the hub keeps them: to a sixteen-millionth."""
    return round(seconds * 2**24) / 2**24


@st.composite
def histories(draw: st.DrawFn) -> History:
    length = draw(st.integers(1, 8 * 288))
    chance = draw(st.randoms(use_true_random=False))
    buckets = {}
    for number in range(length):
        if chance.random() < 0.9:  # else nobody observed it
            known = chance.choice(
                [300.0, 300.0, on_grid(chance.uniform(0, 300)), on_grid(chance.uniform(0, 1e-6))]
            )
            bad = chance.choice([0.0, 0.0, 0.0, known, on_grid(chance.uniform(0, known))])
            buckets[number] = (known - bad, bad)
    maintenance = draw(st.lists(st.tuples(st.integers(0, length), st.integers(1, 40)), max_size=3))
    # Some minutes after the last five that were observed: every window cuts some of its five.
    now = START + length * BUCKET + draw(st.integers(0, 14)) * MINUTE
    return History(buckets, maintenance, now)


async def store(database: Database, tenant: Tenant, history: History, *, window_days: int) -> UUID:
    principal = person(tenant, role=Role.OWNER)
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Shop",
            indicator=SlaIndicator.CUSTOM,
            objective=0.99,
            window_days=window_days,
            created_at=START,
        )
        half = len(history.maintenance) // 2
        for number, (first, count) in enumerate(history.maintenance):
            if number == half:  # some before it is observed, some afterwards
                await record(session, tenant, target.id, history)
            await declare_maintenance(
                session,
                principal=principal,
                target_id=None if number % 2 else target.id,
                starts_at=START + first * BUCKET,
                ends_at=START + (first + count) * BUCKET,
                reason="Upgrade",
                now=history.now,
            )
        await record(session, tenant, target.id, history)
        return target.id


async def record(session: object, tenant: Tenant, target_id: UUID, history: History) -> None:
    observations = [
        Observation(target_id=target_id, at=START + n * BUCKET, good_seconds=g, bad_seconds=b)
        for n, (g, b) in history.buckets.items()
    ]
    # In two halves, the later one first: late words reach every hour after them.
    middle = len(observations) // 2
    for some in (observations[middle:], observations[:middle]):
        await record_observations(session, tenant_id=tenant.id, observations=some)  # type: ignore[arg-type]


async def standing(database: Database, tenant: Tenant, now: datetime) -> SlaStanding:
    async with database.transaction(tenant_id=tenant.id) as session:
        [found] = await sla_standings(session, now=now)
    return found


def rate(good: float, bad: float) -> float | None:
    return bad / (good + bad) if good + bad else None


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories(), window_days=st.sampled_from([1, 7]))
async def test_every_window_equals_the_sum_of_its_minutes(
    database: Database, history: History, window_days: int
) -> None:
    tenant = await make_tenant(database)
    await store(database, tenant, history, window_days=window_days)
    budget = (await standing(database, tenant, history.now)).budget
    good, bad = history.seconds(history.now - timedelta(days=window_days))
    expected = rate(good, bad)
    assert budget.observed_share == (
        None if expected is None else pytest.approx(1 - expected, abs=EXACT)
    )
    for name, period in BURN_PERIODS.items():
        expected = rate(*history.seconds(history.now - period))
        assert budget.burn_rates[name] == (
            None if expected is None else pytest.approx(expected / 0.01, abs=EXACT)
        ), name


async def test_a_word_that_comes_late_or_twice_reaches_every_later_hour(
    database: Database, tenant: Tenant
) -> None:
    buckets = dict.fromkeys(range(3 * 288), (300.0, 0.0))
    history = History(buckets, (), START + 3 * 288 * BUCKET)
    target_id = await store(database, tenant, history, window_days=7)
    late = Observation(target_id=target_id, at=START + BUCKET, good_seconds=100, bad_seconds=200)
    for _ in range(2):
        async with database.transaction(tenant_id=tenant.id) as session:
            await record_observations(session, tenant_id=tenant.id, observations=[late])
    async with database.transaction(tenant_id=tenant.id) as session:
        before = await session.scalars(select(col(SlaHour.bad_before)).order_by(col(SlaHour.at)))
        assert before.all() == [0.0] + [200.0] * 71
        days = await sla_days(session, target_id=target_id, since=START, until=history.now)
    assert [(one.good_seconds, one.bad_seconds) for one in days] == [
        (86_200, 200), (86_400, 0), (86_400, 0),
    ]  # fmt: skip


async def test_words_that_come_at_once_are_all_in_the_sums(
    database: Database, tenant: Tenant
) -> None:
    history = History({}, (), START + 288 * BUCKET)
    target_id = await store(database, tenant, history, window_days=1)

    async def tell(numbers: range) -> None:
        async with database.transaction(tenant_id=tenant.id) as session:
            observations = [
                Observation(target_id=target_id, at=START + n * BUCKET,
                            good_seconds=299, bad_seconds=1)
                for n in numbers
            ]  # fmt: skip
            await record_observations(session, tenant_id=tenant.id, observations=observations)

    await asyncio.gather(*(tell(range(first, 288, 6)) for first in range(6)))
    async with database.transaction(tenant_id=tenant.id) as session:
        [day] = await sla_days(session, target_id=target_id, since=START, until=history.now)
    assert (day.good_seconds, day.bad_seconds) == (288 * 299, 288)
    assert (await standing(database, tenant, history.now)).budget.known_share == 1


async def test_maintenance_is_in_neither_side_and_can_be_withdrawn(
    database: Database, tenant: Tenant
) -> None:
    buckets: dict[int, tuple[float, float]] = dict.fromkeys(range(288), (300.0, 0.0))
    buckets |= dict.fromkeys(range(12, 24), (0.0, 300.0))  # an hour of upgrade
    history = History(buckets, (), START + 288 * BUCKET)
    target_id = await store(database, tenant, history, window_days=1)
    principal = person(tenant, role=Role.OWNER)
    async with database.transaction(tenant_id=tenant.id) as session:
        declared = await declare_maintenance(
            session,
            principal=principal,
            target_id=target_id,
            starts_at=START + 12 * BUCKET,
            ends_at=START + 24 * BUCKET,
            reason="Upgrade",
            now=history.now,
        )
    with_it = (await standing(database, tenant, history.now)).budget
    # 23 of 24 hours count, all of them known and good: 1,380 minutes x 1 %.
    assert (with_it.observed_share, with_it.known_share) == (1.0, 1.0)
    assert with_it.budget_minutes == pytest.approx(13.8)
    async with database.transaction(tenant_id=tenant.id) as session:
        await withdraw_maintenance(
            session, principal=principal, maintenance_id=declared.id, now=history.now
        )
    without = (await standing(database, tenant, history.now)).budget
    assert without.observed_share == pytest.approx(23 / 24)


async def test_a_calendar_month_knows_when_the_clocks_change(
    database: Database, tenant: Tenant
) -> None:
    # October 2026 in Berlin: from 30 September 22:00 UTC to 31 October 23:00 UTC, 745 hours.
    now = datetime(2026, 10, 26, 0, 0, tzinfo=UTC)  # the night after the clocks changed
    month_began = datetime(2026, 9, 30, 22, tzinfo=UTC)
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Shop",
            indicator=SlaIndicator.CUSTOM,
            objective=0.999,
            is_calendar_month=True,
            time_zone="Europe/Berlin",
            created_at=month_began - timedelta(days=90),
        )
        known = int((now - month_began) / BUCKET)
        observations = [
            # Ten minutes of the month before were bad; they are none of this month's.
            *(Observation(target_id=target.id, at=month_began - (n + 1) * BUCKET,
                          good_seconds=0, bad_seconds=300) for n in range(2)),
            *(Observation(target_id=target.id, at=month_began + n * BUCKET,
                          good_seconds=300 if n else 0, bad_seconds=0 if n else 300)
              for n in range(known)),
        ]  # fmt: skip
        await record_observations(session, tenant_id=tenant.id, observations=observations)
    found = await standing(database, tenant, now)
    assert found.window == timedelta(hours=745)
    # 745 x 60 x 0.001 minutes are allowed in the whole month; five are spent.
    assert found.budget.budget_minutes == pytest.approx(44.7)
    assert found.budget.consumed_minutes == pytest.approx(5)
    assert found.budget.known_share == pytest.approx(1)
    assert found.budget.state.value == "met"
