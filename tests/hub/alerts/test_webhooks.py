"""Webhooks: what is told to whom, signed, in order, and in words that command nobody."""

import contextlib
from typing import Any
from uuid import uuid4

import pytest

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.models import AlertCategory
from hub.alerts.webhooks.destination import written
from hub.alerts.webhooks.endpoints import Secret, WebhookSpec, create_webhook, rotate_secret
from hub.alerts.webhooks.models import WebhookEvent
from hub.alerts.webhooks.payload import body_of, plain, slack_text
from hub.alerts.webhooks.resending import send_again, send_test
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import NewDetection, acknowledge_detection, record_detection
from hub.detections.models import RuleKind
from hub.errors import Conflict
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import make_agent
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
        async with office.database.transaction(tenant_id=office.tenant.id) as session:
            with pytest.raises(Conflict, match="A test of this webhook is still under way"):
                await send_test(
                    session, principal=office.admin, webhook_id=webhook.webhook_id, now=utc_now()
                )
        await office.deliver()
    assert await office.states() == [("test", "delivered")]
    assert receiver.received[0].json.keys() == {"version", "id", "event", "created_at", "text"}


async def test_the_name_of_a_webhook_is_taken_once(office: PostOffice) -> None:
    spec = WebhookSpec("Chat", "http://127.0.0.1:9/", [WebhookEvent.ALERT_OPENED])
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        told: dict[str, Any] = {"principal": office.admin, "box": BOX, "now": utc_now()}
        told["destination"] = written(spec.url)
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
