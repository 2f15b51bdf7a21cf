"""Webhooks: what is told to whom, signed, in order, again and again, and then no longer."""

import asyncio
import contextlib
import sys
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import AlertCategory
from hub.alerts.mutes import MuteLength, MuteSubject, mute, muted_alerts, release_muted, unmute
from hub.alerts.webhooks import sending
from hub.alerts.webhooks.delivery import (
    DISABLE_AFTER,
    LEASE,
    MAX_ATTEMPTS,
    PAUSES,
    claim_due,
    pause_after,
    record,
    tenants_with_due,
)
from hub.alerts.webhooks.endpoints import Secret, WebhookSpec, create_webhook, rotate_secret
from hub.alerts.webhooks.models import WebhookEvent
from hub.alerts.webhooks.payload import body_of, plain, slack_text
from hub.alerts.webhooks.resending import send_again, send_test
from hub.alerts.webhooks.sending import Answer, send
from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import NewDetection, acknowledge_detection, record_detection
from hub.detections.models import RuleKind
from hub.errors import Conflict, InvalidInput
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import make_agent, make_tenant
from tests.hub.alerts.post_office import BOX, PostOffice, ago
from tests.hub.alerts.receiver import OK, receiving, status

OPENED, RESOLVED = "alert.opened", "alert.resolved"


async def test_an_alert_is_told_signed_and_in_full(
    office: PostOffice, database: Database, tenant: Tenant
) -> None:
    host = await make_agent(database, tenant, name="web-1")
    async with receiving() as receiver:
        made = await office.webhook(receiver.url)
        alert_id = await office.open(agent_id=host.id, description="94 % used")
        assert await office.deliver() == 1
    [got] = receiver.received
    assert got.method == "POST"
    assert got.is_signed_with(made.secret)
    assert not got.is_signed_with("whsec_other")
    [delivery] = await office.deliveries()
    assert got.headers["x-monsys-delivery"] == str(delivery.id) == got.json["id"]
    assert got.headers["x-monsys-event"] == OPENED
    assert got.headers["content-type"] == "application/json"
    assert got.json["text"] == "[high] disk is full on web-1: opened. 94 % used"
    assert got.json["alert"] | {"opened_at": None} == {
        "id": str(alert_id),
        "title": "disk is full",
        "description": "94 % used",
        "severity": "high",
        "category": "capacity",
        "source": "hub",
        "state": "open",
        "opened_at": None,
        "resolved_at": None,
        "rule_id": None,
        "agent": {"id": str(host.id), "name": "web-1"},
    }
    assert (delivery.state, delivery.last_status, delivery.attempts) == ("delivered", 204, 1)
    assert (await office.stored()).last_success_at is not None


async def test_what_is_rolled_back_is_told_nobody(office: PostOffice) -> None:
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        alert = NewAlert("x", AlertCategory.CAPACITY, Severity.HIGH, "x")
        with contextlib.suppress(ZeroDivisionError):
            async with office.database.transaction(tenant_id=office.tenant.id) as session:
                await record_alerts(session, tenant_id=office.tenant.id, alerts=[alert])
                raise ZeroDivisionError
        assert await office.deliver() == 0


async def test_each_webhook_hears_what_it_asked_for(office: PostOffice) -> None:
    async with receiving() as receiver:
        await office.webhook(receiver.url, name="Critical", min_severity=Severity.CRITICAL)
        await office.webhook(receiver.url, name="Ends", events=[WebhookEvent.ALERT_RESOLVED])
        await office.open("a", severity=Severity.HIGH)
        assert await office.states() == []
        await office.resolve("a")
        assert await office.states() == [(RESOLVED, "pending")]
        await office.open("b", severity=Severity.HIGH)
        await office.open("b", severity=Severity.CRITICAL)  # the same one became worse
        await office.open("b", severity=Severity.CRITICAL)
        assert (await office.states())[1:] == [(OPENED, "pending")]


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


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(500), "status_500"),
        (status(302, "Location: http://127.0.0.1:9/"), "status_302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_http"),
        (b"HTTP/1.1 2000 Fine\r\n\r\n", "not_http"),
        (b"H" * 70_000, "not_http"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "not_http"),
        (b"", "closed"),
    ],
)
async def test_a_bad_answer_is_seen_and_tried_again(
    office: PostOffice, answer: bytes, error: str
) -> None:
    async with receiving(answer) as receiver:
        await office.webhook(receiver.url)
        await office.open()
        await office.deliver()
    [delivery] = await office.deliveries()
    assert (delivery.state, delivery.last_error, delivery.attempts) == ("pending", error, 1)
    assert delivery.next_attempt_at > utc_now()
    assert len(receiver.received) == 1


async def test_an_endless_body_is_not_read_and_a_slow_answer_not_awaited() -> None:
    async with receiving(OK.replace(b"204", b"200") + b"x" * 1_000_000) as receiver:
        assert (await send(receiver.url, b"{}", {}, allow_private=True)).is_taken
    async with receiving(delay=1) as receiver:
        slow = await send(receiver.url, b"{}", {}, allow_private=True, timeout_seconds=0.2)
    gone = await send(receiver.url, b"{}", {}, allow_private=True)
    no_tls = await send(receiver.url.replace("http:", "https:"), b"{}", {}, allow_private=True)
    assert [slow.error, gone.error, no_tls.error] == ["timeout", "unreachable", "unreachable"]


async def test_private_addresses_are_refused_when_made_and_when_called(
    database: Database, tenant: Tenant
) -> None:
    office = PostOffice(database, tenant)
    for url in (
        "http://hooks.example.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/x",
        "https://user@10.0.0.1/x",
        "https://localhost/x",
        "ftp://10.0.0.1/x",
        "https://nowhere.invalid/x",
    ):
        with pytest.raises(InvalidInput) as refused:
            await office.webhook(url)
        assert refused.value.field == "url"
    answer = await send("https://127.0.0.1/x", b"{}", {}, allow_private=False)
    assert answer == Answer(error="forbidden_address")
    await office.allow_private()
    with pytest.raises(InvalidInput, match="special address"):
        await office.webhook("https://169.254.169.254/latest")


async def test_a_name_that_leads_elsewhere_later_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def rebound(*_: object, **__: object) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(sending, "addresses_of", rebound)
    async with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example.com")
        assert (await send(url, b"{}", {}, allow_private=False)).error == "forbidden_address"
    assert receiver.received == []


async def test_plain_http_never_leaves_the_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    async def public(*_: object, **__: object) -> list[str]:
        return ["93.184.216.34"]

    monkeypatch.setattr(sending, "addresses_of", public)
    answer = await send("http://hooks.example.com/", b"{}", {}, allow_private=True)
    assert answer.error == "forbidden_address"


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


async def test_for_a_day_after_rotation_both_secrets_sign(office: PostOffice) -> None:
    async with receiving() as receiver:
        first = await office.webhook(receiver.url)

        async def rotate() -> Secret:
            async with office.database.transaction(tenant_id=office.tenant.id) as session:
                return await rotate_secret(
                    session,
                    principal=office.admin,
                    box=BOX,
                    webhook_id=first.webhook_id,
                    now=utc_now(),
                )

        second = await rotate()
        await office.open("a")
        await office.deliver()
        await office.set(former_secret_until=ago(seconds=1))
        await office.open("b")
        await office.deliver()
    during, after = receiver.received
    assert during.is_signed_with(first.secret)
    assert during.is_signed_with(second.secret)
    assert (after.is_signed_with(first.secret), after.is_signed_with(second.secret)) == (
        False,
        True,
    )
    stored = await office.stored()
    for sealed in (stored.url_sealed, stored.secret_sealed):
        assert second.secret.encode() not in sealed
        assert b"127.0.0.1" not in sealed
    assert "hook" not in stored.shown_url


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


async def mute_it(office: PostOffice, subject: MuteSubject, length: MuteLength) -> Any:
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        return await mute(
            session,
            principal=office.admin,
            subject=subject,
            length=length,
            reason="Known.",
            now=utc_now(),
        )


async def release(office: PostOffice) -> int:
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        return await release_muted(session, now=utc_now())


async def test_a_muted_alert_opens_is_seen_and_tells_nobody(
    office: PostOffice, database: Database, tenant: Tenant
) -> None:
    host = await make_agent(database, tenant, name="web-1")
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        mute_id = await mute_it(office, MuteSubject(agent_id=host.id), MuteLength.ONE_HOUR)
        alert_id = await office.open("a", agent_id=host.id)
        await office.open("b", agent_id=host.id)
        assert (await office.deliver(), await release(office)) == (0, 0)
        async with database.transaction(tenant_id=tenant.id) as session:
            assert await muted_alerts(session, [alert_id]) == {alert_id: True}
        await office.resolve("b")  # began and ended under the mute: never told
        async with database.transaction(tenant_id=tenant.id) as session:
            await unmute(session, principal=office.admin, mute_id=mute_id, now=utc_now())
        await office.deliver()
        await office.resolve("a")
        await office.deliver()
    assert [(one.json["event"], one.json["alert"]["title"]) for one in receiver.received] == [
        (OPENED, "a is full"),
        (RESOLVED, "a is full"),
    ]


async def test_until_resolved_ends_with_the_last_alert_it_is_about(
    office: PostOffice, database: Database, tenant: Tenant
) -> None:
    host = await make_agent(database, tenant)
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        with pytest.raises(Conflict, match="there is none"):
            await mute_it(office, MuteSubject(agent_id=host.id), MuteLength.UNTIL_RESOLVED)
        await office.open("a", agent_id=host.id)
        await office.deliver()
        await mute_it(office, MuteSubject(agent_id=host.id), MuteLength.UNTIL_RESOLVED)
        await office.open("b", agent_id=host.id)
        await office.resolve("a")
        await office.open("c", agent_id=host.id)  # it goes on: b is open
        await office.resolve("b", "c")
        await office.open("d", agent_id=host.id)
        await office.deliver()
    titles = [one.json["alert"]["title"] for one in receiver.received]
    first, *others = zip(receiver.events, titles, strict=True)
    assert first == (OPENED, "a is full")
    # What is about different alerts may arrive in any order.
    assert sorted(others) == sorted([(RESOLVED, "a is full"), (OPENED, "d is full")])


async def test_detections_are_told_as_well(
    office: PostOffice, database: Database, tenant: Tenant
) -> None:
    host = await make_agent(database, tenant, name="web-1")
    async with receiving() as receiver:
        await office.webhook(receiver.url)
        async with database.transaction(tenant_id=tenant.id) as session:
            made = await record_detection(
                session,
                tenant_id=tenant.id,
                detection=NewDetection(
                    agent_id=host.id,
                    rule_kind=RuleKind.NEW_USER,
                    title="A new user",
                    first_seen_at=utc_now(),
                    last_seen_at=utc_now(),
                ),
            )
        async with database.transaction(tenant_id=tenant.id) as session:
            await acknowledge_detection(
                session, principal=office.admin, number=made.number, now=utc_now()
            )
        await office.deliver()
    assert receiver.events == ["detection.opened", "detection.acknowledged"]
    [opened, _] = receiver.received
    assert opened.json["detection"]["number"] == made.number
    assert made.number in opened.json["text"]


async def test_a_test_is_tried_once_and_a_delivery_can_be_sent_again(office: PostOffice) -> None:
    async with receiving(status(500), OK) as receiver:
        webhook = await office.webhook(receiver.url)
        async with office.database.transaction(tenant_id=office.tenant.id) as session:
            delivery_id = await send_test(
                session, principal=office.admin, webhook_id=webhook.webhook_id, now=utc_now()
            )
        await office.deliver()
        assert await office.states() == [("test", "failed")]
        assert (await office.stored()).failing_since is None

        async def again() -> None:
            async with office.database.transaction(tenant_id=office.tenant.id) as session:
                await send_again(
                    session, principal=office.admin, delivery_id=delivery_id, now=utc_now()
                )

        await again()
        with pytest.raises(Conflict, match="still under way"):
            await again()
        await office.deliver()
    assert await office.states() == [("test", "delivered")]
    assert receiver.received[0].json.keys() == {"version", "id", "event", "created_at", "text"}


async def test_the_name_of_a_webhook_is_taken_once(office: PostOffice) -> None:
    spec = WebhookSpec("Chat", "http://127.0.0.1:9/", [WebhookEvent.ALERT_OPENED])
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        told: dict[str, Any] = {"principal": office.admin, "box": BOX, "now": utc_now()}
        await create_webhook(session, spec=spec, **told)
        with pytest.raises(Conflict, match="another webhook"):
            await create_webhook(session, spec=spec, **told)


def test_what_a_host_wrote_cannot_command_a_chat_or_hide_in_it() -> None:
    facts: dict[str, Any] = {
        "title": "<!channel> & <https://evil.example|sign in>\u202e\u200b",
        "severity": "high",
        "agent": {"name": "web\n-1"},
        "description": "x\x00\x1b[31m\u2028y",
    }
    body = body_of(
        delivery_id=uuid4(),
        event=WebhookEvent.ALERT_OPENED,
        created_at=utc_now(),
        subject=facts,
    ).decode()
    assert not set("\u202e\u200b\u2028\x1b") & set(body)
    text = slack_text(WebhookEvent.ALERT_OPENED, {**facts, "title": plain(facts["title"])})
    assert "<" not in text
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|sign in&gt;" in text
    assert len(plain("x" * 10_000)) == 2000
