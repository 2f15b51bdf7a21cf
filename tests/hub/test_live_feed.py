"""The feed of live updates within one process: the last word of each subject, or an honest end."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.database import Database
from hub.live.changes import Change, ChangeType, Kind
from hub.live.feed import LiveFeed
from hub.live.watch import MAX_WAITING, LiveEnded, Watch
from tests.factories import make_tenant

SOON = 10.0


@pytest.mark.slow
async def test_the_feed_ends_its_watches_when_the_database_drops_it(database: Database) -> None:
    tenant = await make_tenant(database)
    async with LiveFeed(database) as feed:
        await asyncio.wait_for(feed.is_listening.wait(), SOON)
        with feed.watch(tenant.id, Kind.ALERT) as watch:
            async with database.transaction() as session:
                await session.execute(
                    text(
                        # The newest one: other hubs of this database listen as well.
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'monsys-live' AND datname = current_database()"
                        " ORDER BY backend_start DESC LIMIT 1"
                    )
                )
            with pytest.raises(LiveEnded, match="interrupted"):
                await asyncio.wait_for(anext(aiter(watch)), SOON)
        await asyncio.wait_for(feed.is_listening.wait(), SOON)


async def test_a_watch_keeps_the_last_word_about_each_subject() -> None:
    tenant_id, one, two = uuid4(), uuid4(), uuid4()
    watch = Watch(tenant_id, Kind.ALERT)
    for subject, type_ in (
        (one, ChangeType.OPENED),
        (two, ChangeType.OPENED),
        (one, ChangeType.RESOLVED),
    ):
        watch.tell(Change(tenant_id, Kind.ALERT, subject, type_))
    changes = aiter(watch)
    heard = [await anext(changes), await anext(changes)]
    assert [(one.id, one.type) for one in heard] == [
        (two, ChangeType.OPENED),
        (one, ChangeType.RESOLVED),
    ]


async def test_a_watch_that_does_not_keep_up_is_ended() -> None:
    tenant_id = uuid4()
    watch = Watch(tenant_id, Kind.ALERT)
    for _ in range(MAX_WAITING + 1):
        watch.tell(Change(tenant_id, Kind.ALERT, uuid4(), ChangeType.OPENED))
    with pytest.raises(LiveEnded, match="Reload"):
        await anext(aiter(watch))
