"""Two people at once and one name: the second is told so, and nothing is broken."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.rule_models import AlertRule
from hub.alerts.rules import create_rule, update_rule
from hub.alerts.webhooks.destination import written
from hub.alerts.webhooks.endpoints import WebhookSpec, create_webhook, update_webhook
from hub.alerts.webhooks.models import Webhook, WebhookEvent
from hub.clock import utc_now
from hub.errors import Conflict
from hub.principal import Role
from hub.severity import Severity
from tests.factories import person
from tests.hub.alerts.post_office import BOX, PostOffice
from tests.hub.alerts.scene import Scene, spec

type Command = Callable[[AsyncSession], Awaitable[Any]]


async def second_of(scene: Scene | PostOffice, first: Command, second: Command) -> Conflict:
    """Let both come so far that neither sees the other, and return what the second is told."""
    begun = asyncio.Event()

    async def later() -> None:
        async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
            await session.scalar(select(1))
            await begun.wait()
            await second(session)  # waits for the first, which holds the name

    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await first(session)
        waiting = asyncio.create_task(later())
        begun.set()
        await asyncio.sleep(0.2)  # the second is in the middle of its statement
        assert not waiting.done()
    with pytest.raises(Conflict) as refused:
        await waiting
    return refused.value


def renamed(scene: Scene, rule_id: UUID, name: str) -> Command:
    return lambda session: update_rule(
        session, principal=scene.admin, rule_id=rule_id, changes={"name": name}, now=scene.now
    )


async def test_two_rules_that_take_one_name_at_once(scene: Scene) -> None:
    one, other = await scene.rule(name="One"), await scene.rule(name="Other")
    told = await second_of(scene, renamed(scene, one, "Disk"), renamed(scene, other, "Disk"))
    assert (told.field, "`name`" in told.message) == ("name", True)
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        names = await session.scalars(select(col(AlertRule.name)).order_by(col(AlertRule.name)))
        assert list(names) == ["Disk", "Other"]


async def test_a_rule_that_is_made_while_another_takes_its_name(scene: Scene) -> None:
    one = await scene.rule(name="One")

    def made(session: AsyncSession) -> Awaitable[UUID]:
        return create_rule(session, principal=scene.admin, spec=spec(name="Disk"), now=scene.now)

    told = await second_of(scene, renamed(scene, one, "Disk"), made)
    assert told.field == "name"
    told = await second_of(
        scene,
        lambda session: create_rule(
            session, principal=scene.admin, spec=spec(name="New"), now=scene.now
        ),
        renamed(scene, one, "New"),
    )
    assert told.field == "name"


async def test_two_webhooks_that_take_one_name_at_once(office: PostOffice) -> None:
    one = await office.webhook("http://127.0.0.1:9/", name="One")
    other = await office.webhook("http://127.0.0.1:9/", name="Other")

    def named(webhook_id: UUID, name: str) -> Command:
        return lambda session: update_webhook(
            session,
            principal=office.admin,
            box=BOX,
            webhook_id=webhook_id,
            changes={"name": name},
            now=utc_now(),
        )

    def made(session: AsyncSession) -> Awaitable[Any]:
        wanted = WebhookSpec("Chat", "http://127.0.0.1:9/", [WebhookEvent.ALERT_OPENED])
        return create_webhook(
            session,
            principal=office.admin,
            box=BOX,
            spec=wanted,
            destination=written(wanted.url),
            now=utc_now(),
        )

    told = [
        await second_of(office, named(one.webhook_id, "Pager"), named(other.webhook_id, "Pager")),
        await second_of(office, made, named(other.webhook_id, "Chat")),
    ]
    assert [(one.field, one.message) for one in told] == [
        ("name", "`name` is that of another webhook; choose another.")
    ] * 2


async def test_a_refused_name_leaves_the_transaction_as_it_was(office: PostOffice) -> None:
    """A form that is refused is shown again, with what else the page needs."""
    await office.webhook("http://127.0.0.1:9/", name="One")
    other = await office.webhook("http://127.0.0.1:9/", name="Other")
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        with pytest.raises(Conflict):
            await update_webhook(
                session,
                principal=person(office.tenant, role=Role.ADMIN),
                box=BOX,
                webhook_id=other.webhook_id,
                changes={"name": "One", "min_severity": Severity.HIGH},
                now=utc_now(),
            )
        found = await session.scalars(select(Webhook).order_by(col(Webhook.name)))
        assert [(one.name, one.min_severity) for one in found] == [
            ("One", Severity.LOW),
            ("Other", Severity.LOW),
        ]


async def test_changes_of_one_webhook_at_once_both_stay(office: PostOffice) -> None:
    made = await office.webhook("http://127.0.0.1:9/", name="One")

    async def change(**changes: Any) -> None:
        async with office.database.transaction(tenant_id=office.tenant.id) as session:
            await update_webhook(
                session,
                principal=office.admin,
                box=BOX,
                webhook_id=made.webhook_id,
                changes=changes,
                destination=moved,
                now=utc_now(),
            )

    moved = written("http://127.0.0.1:10/")
    await asyncio.gather(
        change(name="Pager"),
        change(url=moved.url),
        change(events=[WebhookEvent.ALERT_RESOLVED]),
        change(min_severity=Severity.HIGH),
    )
    stored = await office.stored()
    assert (stored.name, stored.shown_url, stored.events, stored.min_severity) == (
        "Pager",
        "http://127.0.0.1:10",
        ["alert_resolved"],
        Severity.HIGH,
    )
