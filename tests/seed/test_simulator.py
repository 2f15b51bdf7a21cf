"""The fleet lives on after the story was told."""

from datetime import timedelta

from sqlalchemy import text

from hub.database import Database
from seed.hosts import NORTHWIND_HOSTS
from seed.people import NORTHWIND_ID
from seed.simulator import LivingFleet
from tests.seed.conftest import NOW


async def test_a_tick_reports_for_the_hosts_that_are_online(story: Database) -> None:
    fleet = LivingFleet(story)
    northwind, _ = await fleet._places()
    later = NOW + timedelta(minutes=12)

    await fleet.tick(northwind, at=later)
    await fleet.tick(northwind, at=later)  # two processes at once change nothing more

    online = sorted(host.name for host in NORTHWIND_HOSTS if not host.offline_days)
    async with story.transaction(tenant_id=NORTHWIND_ID) as session:
        alive = await session.scalars(
            text("SELECT name FROM agents WHERE last_seen_at = :at ORDER BY 1"), {"at": later}
        )
        assert alive.all() == online
        latest = text("SELECT count(*) FROM agent_latest WHERE at = :at")
        assert await session.scalar(latest, {"at": later}) == len(online)
        observed = text("SELECT DISTINCT max(at) FROM sla_observations GROUP BY target_id")
        assert sorted((await session.scalars(observed)).all())[-1] == NOW.replace(
            minute=40, second=0
        )


async def test_figures_go_on_from_where_the_story_left_them(story: Database) -> None:
    northwind, _ = await LivingFleet(story)._places()
    database = next(host for host in northwind.hosts if host.name == "db-prod-02")
    full = [
        northwind.weather.figures(database, NOW + timedelta(days=days)).disk_percent
        for days in (-30, 0, 30)
    ]
    assert full == [58.9, 94.0, 96.9]
