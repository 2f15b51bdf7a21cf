"""The page of webhooks: made with a secret that is shown once, tried, turned off, deleted."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from hub.alerts.webhooks.endpoints import SECRET_PURPOSE
from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from hub.alerts.webhooks.queries import deliveries_page, webhooks
from hub.clock import utc_now
from hub.database import Database
from hub.secret_box import SecretBox
from hub.severity import Severity
from hub.tenancy.models import Tenant
from oauth.account.webhook_page import DELIVERIES_A_PAGE
from oauth.account.webhook_words import EVENTS, PROBLEMS, SAID, SEVERITIES, STATES
from tests.oauth.account.conftest import MakeSomeone, Someone
from tests.oauth.account.test_hosts import copied
from tests.oauth.browser import Page
from tests.oauth.trail import events_of

PATH = "/account/webhooks"
# A literal, public address: nothing has to be looked up, and nothing is sent in these tests.
URL = "https://1.1.1.1/services/s3cret"
FIELDS = {"name": "on call", "url": URL, "alert_opened": "yes", "min_severity": "high"}


def test_there_are_words_for_everything() -> None:
    assert set(EVENTS) == set(WebhookEvent) - {WebhookEvent.TEST}
    assert set(SEVERITIES) == set(Severity)
    assert set(STATES) == set(DeliveryState)


async def stored(database: Database, tenant: Tenant) -> Webhook:
    async with database.transaction(tenant_id=tenant.id) as session:
        (webhook,) = await webhooks(session)
    return webhook


async def deliveries(database: Database, tenant: Tenant) -> list[WebhookDelivery]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return [row for row, _ in (await deliveries_page(session, first=100)).rows]


async def ended(database: Database, tenant: Tenant, **values: Any) -> None:
    """Let the tenant's deliveries have ended like this."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(WebhookDelivery).values(**values))


async def with_webhook(someone: MakeSomeone) -> Someone:
    owner = await someone()
    assert (await owner.post(f"{PATH}/new", **FIELDS)).status_code == 200
    return owner


async def test_a_webhook_is_made_and_its_secret_shown_once(
    someone: MakeSomeone, database: Database, tenant: Tenant, box: SecretBox
) -> None:
    owner = await someone()
    form = (await owner.page(PATH)).form(f"{PATH}/new")
    assert form.boxes == {event.value for event in EVENTS}
    made = await owner.browser.submit(form, **FIELDS)
    (secret,) = copied(made)
    webhook = await stored(database, tenant)
    assert box.open(webhook.secret_sealed, purpose=SECRET_PURPOSE).decode() == secret
    assert (webhook.name, webhook.events, webhook.min_severity, webhook.created_by) == (
        "on call",
        ["alert_opened"],
        Severity.HIGH,
        owner.email,
    )
    again = await owner.browser.get(PATH)
    assert secret not in again.text
    assert "s3cret" not in again.text
    assert (
        "on call on Address https://1.1.1.1 Told when an alert opens From how bad on high"
        " Last arrived never" in Page(again.text).text
    )


async def test_a_test_is_queued_and_the_page_tells_how_it_went(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    response = await owner.browser.submit((await owner.page(PATH)).form(f"{PATH}/test"))
    assert response.headers["location"] == f"{PATH}?done=tested"
    page = await owner.page(f"{PATH}?done=tested")
    assert "A test is on its way." in page.text
    assert "a test waits To on call Happened" in page.text
    (delivery,) = await deliveries(database, tenant)
    assert (delivery.event, delivery.state) == (WebhookEvent.TEST, DeliveryState.PENDING)
    assert [form for form in page.forms if form.action == f"{PATH}/resend"] == []
    twice = await owner.browser.submit(page.form(f"{PATH}/test"))
    assert twice.status_code == 400
    assert "A test of this webhook is still on its way." in Page(twice.text).text
    at = utc_now()
    await ended(
        database,
        tenant,
        state=DeliveryState.FAILED,
        attempts=1,
        last_status=503,
        last_error="status_503",
        last_attempt_at=at,
        finished_at=at,
    )
    text = (await owner.page(PATH)).text
    assert f"a test given up To on call Happened {delivery.created_at:%Y-%m-%d %H:%M} UTC" in text
    assert f"Attempts 1, last {at:%Y-%m-%d %H:%M} UTC Answer HTTP 503 Number" in text


@pytest.mark.parametrize("word", PROBLEMS)
async def test_a_problem_is_said_in_words(
    word: str, someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    await owner.browser.submit((await owner.page(PATH)).form(f"{PATH}/test"))
    await ended(
        database,
        tenant,
        state=DeliveryState.PENDING,
        event=WebhookEvent.ALERT_OPENED,
        attempts=3,
        last_error=word,
        next_attempt_at=utc_now() + timedelta(minutes=5),
    )
    text = (await owner.page(PATH)).text
    assert f"Attempts 3 of 8 Problem {PROBLEMS[word]} Next attempt" in text


async def test_what_ended_is_sent_again(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    await owner.browser.submit((await owner.page(PATH)).form(f"{PATH}/test"))
    await ended(database, tenant, state=DeliveryState.FAILED, attempts=8)
    form = (await owner.page(PATH)).form(f"{PATH}/resend")
    response = await owner.browser.submit(form)
    assert response.headers["location"] == f"{PATH}?done=resent"
    (delivery,) = await deliveries(database, tenant)
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 0)
    refused = await owner.browser.submit(form)
    assert refused.status_code == 400
    assert "This notification is still on its way." in Page(refused.text).text


async def test_a_webhook_is_turned_off_and_on(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    page = await owner.page(PATH)
    response = await owner.browser.submit(page.form(f"{PATH}/disable"))
    assert response.headers["location"] == f"{PATH}?done=disabled"
    assert (await stored(database, tenant)).is_enabled is False
    refused = await owner.browser.submit(page.form(f"{PATH}/test"))
    assert refused.status_code == 400
    assert "This webhook is off. Turn it on first." in Page(refused.text).text
    off = await owner.page(PATH)
    assert "on call off Address" in off.text
    assert await deliveries(database, tenant) == []
    await owner.browser.submit(off.form(f"{PATH}/enable"))
    assert (await stored(database, tenant)).is_enabled is True
    assert [kind for kind, _ in await events_of(database, tenant)] == [
        "signed_in",
        "webhook_created",
        "webhook_updated",
        "webhook_updated",
    ]


async def test_one_that_the_hub_gave_up_says_so(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    since = utc_now() - timedelta(days=6)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(
            update(Webhook).values(is_enabled=False, disabled_reason="failing", failing_since=since)
        )
    text = (await owner.page(PATH)).text
    assert "on call turned off after five days of failures Address" in text
    assert f"Fails since {since:%Y-%m-%d %H:%M} UTC" in text


async def test_a_new_secret_is_shown_once(
    someone: MakeSomeone, database: Database, tenant: Tenant, box: SecretBox
) -> None:
    owner = await with_webhook(someone)
    former = await stored(database, tenant)
    made = await owner.browser.submit((await owner.page(PATH)).form(f"{PATH}/secret"))
    (secret,) = copied(made)
    assert "For a day, the former secret signs as well." in Page(made.text).text
    webhook = await stored(database, tenant)
    assert box.open(webhook.secret_sealed, purpose=SECRET_PURPOSE).decode() == secret
    assert webhook.former_secret_sealed == former.secret_sealed
    assert secret not in (await owner.browser.get(PATH)).text


async def test_a_deleted_webhook_is_gone(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    response = await owner.browser.submit((await owner.page(PATH)).form(f"{PATH}/delete"))
    assert response.headers["location"] == f"{PATH}?done=deleted"
    assert "There is no webhook yet." in (await owner.page(PATH)).text
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await webhooks(session) == []


@pytest.mark.parametrize(
    ("fields", "hint", "expected"),
    [
        ({"name": " "}, "name-hint", "Name: 1 to 100 printable characters."),
        ({"name": "x" * 101}, "name-hint", "Name: at most 100 characters."),
        ({"name": "a\0b"}, "name-hint", "Name: it holds characters that are not text."),
        ({"url": "hooks"}, "url-hint", "Address: write it as https://host/path"),
        ({"url": "https://ada@1.1.1.1/"}, "url-hint", "Address: write it as https://host/path"),
        ({"url": "http://1.1.1.1/"}, "url-hint", "Address: it must begin with https://."),
        ({"url": "https://1.1.1.1/#x"}, "url-hint", "Address: at most 2000 characters"),
        ({"url": "https://10.0.0.1/"}, "url-hint", "Address: it leads to a private or special"),
        ({"url": "https://x.invalid/"}, "url-hint", "Address: the name of this host is not known."),
        ({"alert_opened": ""}, "make", "Told when: choose at least one."),
        ({"min_severity": "worst"}, "make", "From how bad on: choose one of the list."),
    ],
)
async def test_what_is_wrong_is_named_and_what_was_typed_is_kept(
    fields: dict[str, str],
    hint: str,
    expected: str,
    someone: MakeSomeone,
) -> None:
    owner = await someone()
    typed = FIELDS | fields
    response = await owner.post(f"{PATH}/new", **typed)
    assert response.status_code == 400
    page = Page(response.text)
    assert expected in page.text
    form = page.form(f"{PATH}/new")
    assert (form.fields["name"], form.fields["url"]) == (typed["name"], typed["url"])
    ticked = re.findall(r'name="([a-z_]+)" value="yes" checked', response.text)
    assert ticked == (["alert_opened"] if typed["alert_opened"] else [])
    marked = re.findall(r'aria-describedby="([a-z-]+) message" aria-invalid', response.text)
    assert marked == [hint]
    assert "There is no webhook yet." in page.text


async def test_names_are_taken_once_and_there_are_twenty(
    someone: MakeSomeone, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await with_webhook(someone)
    taken = await owner.post(f"{PATH}/new", **FIELDS)
    assert taken.status_code == 400
    assert SAID["`name` is that"] in Page(taken.text).text
    monkeypatch.setattr("hub.alerts.webhooks.endpoints.MAX_WEBHOOKS", 1)
    full = await owner.post(f"{PATH}/new", **(FIELDS | {"name": "another"}))
    assert "Delete one first." in Page(full.text).text


async def test_deliveries_are_listed_once_page_by_page_and_by_webhook(
    someone: MakeSomeone, database: Database, tenant: Tenant
) -> None:
    owner = await with_webhook(someone)
    await owner.post(f"{PATH}/new", **(FIELDS | {"name": "other"}))
    async with database.transaction(tenant_id=tenant.id) as session:
        chosen, other = [one.id for one in await webhooks(session)]
        number = DELIVERIES_A_PAGE + 3
        for webhook_id in [chosen] * number + [other]:
            session.add(
                WebhookDelivery(
                    tenant_id=tenant.id,
                    webhook_id=webhook_id,
                    event=WebhookEvent.ALERT_OPENED,
                    subject_id=uuid4(),
                )
            )
    for link, expected, pages in ((PATH, number + 1, 2), (f"{PATH}?webhook={chosen}", number, 2)):
        listed, seen, at = list[str](), 0, link
        while at:
            text = (await owner.browser.get(at)).text
            listed += re.findall(r"<dd><code>([0-9a-f-]{36})</code>", text)
            more = re.search(rf'href="({PATH}\?[^"]*after=[^"]+)"', text)
            seen, at = seen + 1, more[1].replace("&amp;", "&") if more else ""
        assert (len(listed), len(set(listed)), seen) == (expected, expected, pages)
    assert "Notifications to on call" in (await owner.page(f"{PATH}?webhook={chosen}")).text
