"""What tools tell at once costs a few statements, and comes to the same as told one by one."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory
from hub.database import Database
from hub.ingest.foreign.models import ForeignAlert
from hub.ingest.foreign.observations import Observation, take_observations
from hub.ingest.foreign.periods import take_periods
from hub.ingest.foreign.troubles import Period
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import make_agent

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def seen(agent_id: UUID, subject: str, *, hours_ago: float = 0.0, **columns: Any) -> Observation:
    told: dict[str, Any] = {
        "source": "falco",
        "rule": "Terminal shell in container",
        "subject": subject,
        "agent_id": agent_id,
        "at": NOW - timedelta(hours=hours_ago),
        "severity": Severity.LOW,
        "title": f"About {subject}",
        "description": "",
    } | columns
    return Observation(**told)


def period(
    name: str, *, hours_ago: float = 1.0, hours: float | None = None, **columns: Any
) -> Period:
    started_at = NOW - timedelta(hours=hours_ago)
    told: dict[str, Any] = {
        "source": "alertmanager",
        "external_id": name,
        "agent_id": None,
        "category": AlertCategory.CAPACITY,
        "severity": Severity.HIGH,
        "title": f"About {name}",
        "description": "",
        "started_at": started_at,
        "ended_at": None if hours is None else started_at + timedelta(hours=hours),
    } | columns
    return Period(**told)


async def take(database: Database, tenant: Tenant, items: list[Any]) -> int:
    async with database.transaction(tenant_id=tenant.id) as session:
        if items and isinstance(items[0], Period):
            return await take_periods(session, tenant_id=tenant.id, periods=items, now=NOW)
        return await take_observations(session, tenant_id=tenant.id, observations=items, now=NOW)


async def stored(database: Database, tenant: Tenant) -> tuple[Counter[Any], Counter[Any]]:
    """Return all alerts and all that is remembered, without the ids, which are the hub's own."""
    async with database.transaction(tenant_id=tenant.id) as session:
        alerts = await session.execute(
            select(
                col(Alert.fingerprint),
                col(Alert.state),
                col(Alert.severity),
                col(Alert.title),
                col(Alert.opened_at),
                col(Alert.resolved_at),
            )
        )
        remembered = await session.execute(
            select(
                col(ForeignAlert.external_id),
                col(ForeignAlert.started_at),
                col(ForeignAlert.ended_at),
                col(ForeignAlert.last_told_at),
            )
        )
        return Counter(map(tuple, alerts)), Counter(map(tuple, remembered))


@pytest.mark.parametrize("kind", ["new", "told again", "long ago"])
async def test_five_hundred_observations_cost_as_many_statements_as_one(
    database: Database, tenant: Tenant, statements: Statements, kind: str
) -> None:
    agent = await make_agent(database, tenant)
    hours_ago = 90 if kind == "long ago" else 1
    counts = []
    for count in (1, 500):
        some = [seen(agent.id, f"{count}-{n}", hours_ago=hours_ago) for n in range(count)]
        if kind == "told again":
            await take(database, tenant, some)
        statements.clear()
        expected = 0 if kind == "told again" else count
        assert await take(database, tenant, some) == expected
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 3


@pytest.mark.parametrize("kind", ["new", "told again", "reworded", "ended", "over"])
async def test_five_hundred_periods_cost_as_many_statements_as_one(
    database: Database, tenant: Tenant, statements: Statements, kind: str
) -> None:
    counts = []
    for count in (1, 500):
        names = [f"{count}-{n}" for n in range(count)]
        if kind not in {"new", "over"}:
            await take(database, tenant, [period(name) for name in names])
        told: dict[str, Any] = {"title": "Other words"} if kind == "reworded" else {}
        told |= {"hours": 0.5} if kind in {"ended", "over"} else {}
        statements.clear()
        changed = await take(database, tenant, [period(name, **told) for name in names])
        assert changed == (0 if kind == "told again" else count)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 5


def any_observation(chance: random.Random, agent_id: UUID) -> Observation:
    return seen(
        agent_id,
        chance.choice("abcd"),
        hours_ago=chance.randrange(0, 24 * 6, 3) + chance.random(),
        severity=chance.choice([Severity.LOW, Severity.HIGH]),
        title=chance.choice(["One", "Another"]),
    )


def any_period(chance: random.Random) -> Period:
    return period(
        chance.choice("abc"),
        hours_ago=chance.choice([1, 2, 3, 5]),
        hours=chance.choice([None, None, 0.25, 0.5]),
        severity=chance.choice([Severity.LOW, Severity.HIGH]),
        title=chance.choice(["One", "Another"]),
    )


@pytest.mark.parametrize("seed", range(12))
async def test_observations_told_at_once_come_to_the_same_as_one_by_one(
    database: Database, tenant: Tenant, other_tenant: Tenant, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    agent = await make_agent(database, tenant)
    twin = await make_agent(database, other_tenant, id=agent.id)
    assert twin.id == agent.id
    for _ in range(3):
        some = [any_observation(chance, agent.id) for _ in range(12)]
        at_once = await take(database, tenant, some)
        in_order = sorted(some, key=lambda one: (one.external_id, one.at))
        assert at_once == sum([await take(database, other_tenant, [one]) for one in in_order])
        assert await stored(database, tenant) == await stored(database, other_tenant)


@pytest.mark.parametrize("seed", range(24))
async def test_periods_told_at_once_come_to_the_same_as_one_by_one(
    database: Database, tenant: Tenant, other_tenant: Tenant, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    for _ in range(3):
        some = [any_period(chance) for _ in range(10)]
        at_once = await take(database, tenant, some)
        in_order = sorted(some, key=lambda one: one.key)
        assert at_once == sum([await take(database, other_tenant, [one]) for one in in_order])
        assert await stored(database, tenant) == await stored(database, other_tenant)
