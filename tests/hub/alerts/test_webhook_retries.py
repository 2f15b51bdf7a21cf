"""Deliveries that fail: tried again, in order, with growing pauses, and then no longer."""

from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col

from hub.alerts.webhooks.delivery import (
    DISABLE_AFTER,
    MAX_ATTEMPTS,
    PAUSES,
    pause_after,
)
from hub.alerts.webhooks.sending import Answer
from hub.audit.models import AuditRow
from hub.clock import utc_now
from tests.hub.alerts.post_office import PostOffice, ago
from tests.hub.alerts.receiver import OK, receiving, status

OPENED, RESOLVED = "alert.opened", "alert.resolved"


async def test_opened_is_told_before_resolved_also_when_it_fails_at_first(
    office: PostOffice,
) -> None:
    async with receiving(status(500), status(503), OK) as receiver:
        await office.webhook(receiver.url)
        await office.open()
        await office.resolve()
        assert await office.deliver() == 1
        assert await office.deliver(later=timedelta(hours=1)) == 1
        assert await office.states() == [(OPENED, "pending"), (RESOLVED, "pending")]
        assert await office.deliver(later=timedelta(hours=1)) == 2
    assert receiver.events == [OPENED, OPENED, OPENED, RESOLVED]
    assert len({one.headers["x-monsys-delivery"] for one in receiver.received}) == 2
    assert len({one.body for one in receiver.received[:3]}) == 1


async def test_pauses_grow_and_the_eighth_failure_is_the_last(office: PostOffice) -> None:
    async with receiving(status(500)) as receiver:
        await office.webhook(receiver.url)
        await office.open()
        for _ in range(MAX_ATTEMPTS + 2):
            await office.deliver(later=timedelta(days=1))
    assert len(receiver.received) == MAX_ATTEMPTS == 8
    assert await office.states() == [(OPENED, "failed")]
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(hours=23) < sum(PAUSES, timedelta()) < timedelta(hours=25)
    for attempts, pause in enumerate(PAUSES, start=1):
        waits = [pause_after(attempts, Answer(500)) for _ in range(50)]
        assert pause * 0.8 <= min(waits) < max(waits) <= pause * 1.2
    assert pause_after(1, Answer(429, retry_after_seconds=900)) == timedelta(minutes=15)
    assert pause_after(1, Answer(429, retry_after_seconds=10**8)) == timedelta(hours=1)


async def test_retry_after_is_honoured_and_gone_is_final(office: PostOffice) -> None:
    async with receiving(status(429, "Retry-After: 1800"), status(410)) as receiver:
        await office.webhook(receiver.url)
        await office.open()
        await office.deliver()
        [delivery] = await office.deliveries()
        assert delivery.next_attempt_at > utc_now() + timedelta(minutes=29)
        await office.deliver(later=timedelta(hours=1))
    assert await office.states() == [(OPENED, "failed")]


async def test_a_webhook_that_fails_for_days_is_switched_off_and_that_is_written_down(
    office: PostOffice,
) -> None:
    async with receiving(status(500)) as receiver:
        await office.webhook(receiver.url)
        await office.open("a")
        await office.open("b")
        await office.deliver()
        assert (await office.stored()).failing_since is not None
        await office.set(failing_since=utc_now() - DISABLE_AFTER)
        await office.deliver(later=timedelta(minutes=2))
        webhook = await office.stored()
        assert (webhook.is_enabled, webhook.disabled_reason) == (False, "failing")
        assert [state for _, state in await office.states()] == ["cancelled", "cancelled"]
        await office.open("c")
        assert len(await office.deliveries()) == 2
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        events = list(await session.scalars(select(col(AuditRow.event_type))))
    assert events.count("webhook_disabled") == 1


async def test_one_success_ends_the_failing(office: PostOffice) -> None:
    async with receiving(status(500), OK) as receiver:
        await office.webhook(receiver.url)
        await office.open()
        await office.deliver()
        await office.set(failing_since=ago(days=4))
        await office.deliver(later=timedelta(hours=1))
    assert (await office.stored()).failing_since is None
