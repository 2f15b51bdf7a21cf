"""Several processes share the deliveries; each is sent once, whoever dies."""

import asyncio
import sys
from datetime import timedelta
from typing import Any

import pytest
import structlog

from hub.alerts.webhooks import delivery
from hub.alerts.webhooks.delivery import (
    LEASE,
    claim_due,
    record,
    tenants_with_due,
)
from hub.alerts.webhooks.payload import body_of
from hub.alerts.webhooks.sending import Answer
from hub.clock import utc_now
from tests.factories import make_tenant
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.receiver import receiving

OPENED = "alert.opened"


async def test_processes_at_once_send_each_delivery_once(office: PostOffice) -> None:
    async with receiving(delay=0.05) as receiver:
        await office.webhook(receiver.url)
        for number in range(25):
            await office.open(f"disk {number}")
        counts = await asyncio.gather(*(office.deliver() for _ in range(3)))
    assert sum(counts) == 25
    ids = [one.headers["x-monsys-delivery"] for one in receiver.received]
    assert len(ids) == len(set(ids)) == 25


async def test_a_delivery_whose_process_is_killed_is_sent_by_another(office: PostOffice) -> None:
    async with receiving(delay=30) as slow:
        await office.webhook(slow.url)
        await office.open()
        dying = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.hub.alerts.delivery_process",
            office.database.url,
            str(office.tenant.id),
        )
        async with asyncio.timeout(30):
            while not slow.received:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.05)
        dying.kill()
        await dying.wait()
        slow.delay = 0
        assert await office.deliver() == 0  # the lease goes on
        assert await office.states() == [(OPENED, "sending")]
        assert await office.deliver(later=LEASE) == 1
    assert await office.states() == [(OPENED, "delivered")]
    first, second = slow.received
    assert first.headers["x-monsys-delivery"] == second.headers["x-monsys-delivery"]


async def test_a_delivery_that_breaks_the_hub_is_counted_and_holds_up_no_other(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(**told: Any) -> bytes:
        if told["subject"]["title"] == "bad is full":
            raise KeyError(told["subject"]["title"])
        return body_of(**told)

    monkeypatch.setattr(delivery, "body_of", body)
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        for name in ("bad", "good"):
            await office.open(name)
        with structlog.testing.capture_logs() as logs:
            assert await office.deliver() == 2
    bad, good = await office.deliveries()
    assert (bad.state, bad.last_error, bad.attempts) == ("pending", "internal", 1)
    assert good.state == "delivered"
    assert logs == [
        {
            "event": "webhook_attempt_broke",
            "log_level": "error",
            "delivery": str(bad.id),
            "error": "KeyError",
        }
    ]


async def test_an_attempt_whose_lease_was_over_changes_nothing(office: PostOffice) -> None:
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        await office.open()

        async def claim(later: timedelta) -> Any:
            async with office.database.transaction(tenant_id=office.tenant.id) as session:
                return (await claim_due(session, now=utc_now() + later))[0]

        late, current = await claim(timedelta(0)), await claim(2 * LEASE)
        results = []
        for one, answer in ((late, Answer(error="timeout")), (current, Answer(200))):
            async with office.database.transaction(tenant_id=office.tenant.id) as session:
                results.append(
                    await record(
                        session,
                        tenant_id=office.tenant.id,
                        claim=one,
                        answer=answer,
                        now=utc_now(),
                    )
                )
    assert results == [False, True]
    assert await office.states() == [(OPENED, "delivered")]


async def test_only_tenants_with_something_due_get_a_job(office: PostOffice) -> None:
    quiet = await make_tenant(office.database)
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        await office.open()

        async def due() -> list[Any]:
            async with office.database.transaction(presented="*") as session:
                return await tenants_with_due(session, now=utc_now())

        assert office.tenant.id in await due()
        assert quiet.id not in await due()
        await office.deliver()
        assert office.tenant.id not in await due()
