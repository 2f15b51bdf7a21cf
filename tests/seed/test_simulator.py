"""The fleet lives on after the story was told."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.database import Database
from seed.figures import Weather
from seed.hosts import NORTHWIND_HOSTS
from seed.people import NORTHWIND_ID
from seed.simulator import LivingFleet
from tests.seed.conftest import NOW


@pytest.mark.slow
async def test_a_tick_reports_for_the_hosts_that_are_online(living: Database) -> None:
    fleet = LivingFleet(living)
    northwind, _ = await fleet._places()
    later = NOW + timedelta(minutes=12)

    await fleet.tick(northwind, at=later)
    await fleet.tick(northwind, at=later)  # two processes at once change nothing more

    online = sorted(host.name for host in NORTHWIND_HOSTS if not host.offline_days)
    async with living.transaction(tenant_id=NORTHWIND_ID) as session:
        alive = await session.scalars(
            text("SELECT name FROM agents WHERE last_seen_at = :at ORDER BY 1"), {"at": later}
        )
        assert alive.all() == online
        latest = text("SELECT count(*) FROM agent_latest WHERE at = :at")
        assert await session.scalar(latest, {"at": later}) == len(online)
        observed = text("SELECT DISTINCT max(at) FROM sla_observations GROUP BY target_id")
        newest = max((await session.scalars(observed)).all())
        assert newest == NOW.replace(minute=40, second=0)


def test_figures_go_on_from_where_the_story_left_them() -> None:
    weather = Weather(NOW)
    database = next(host for host in NORTHWIND_HOSTS if host.name == "db-prod-02")
    full = [
        weather.figures(database, NOW + timedelta(days=days)).disk_percent for days in (-30, 0, 30)
    ]
    assert full == [59.6, 94.0, 96.9]
