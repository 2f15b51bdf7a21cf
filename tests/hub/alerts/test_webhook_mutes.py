"""Mutes: nobody is told, and what outlasts them is told then."""

from typing import Any

import pytest

from hub.alerts.mutes import MuteLength, MuteSubject, mute, muted_alerts, release_muted, unmute
from hub.clock import utc_now
from hub.database import Database
from hub.errors import Conflict
from hub.tenancy.models import Tenant
from tests.factories import make_agent
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.receiver import receiving

OPENED, RESOLVED = "alert.opened", "alert.resolved"


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
