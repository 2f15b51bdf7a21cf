"""Where a webhook may go is found out while no transaction waits, and judged within one."""

import asyncio
import socket
import threading
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.webhooks import destination, sending
from hub.alerts.webhooks.delivery import AT_ONCE, LEASE, OF_ONE_WEBHOOK
from hub.alerts.webhooks.destination import Destination, look_up, written
from hub.alerts.webhooks.endpoints import MAX_WEBHOOKS, WebhookSpec, create_webhook
from hub.alerts.webhooks.models import Webhook, WebhookEvent
from hub.alerts.webhooks.sending import TIMEOUT_SECONDS, send
from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.errors import InvalidInput
from tests.hub.alerts.post_office import BOX, PostOffice
from tests.hub.alerts.receiver import receiving


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/x",
        "https://[x]/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com/#",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/a\r\nX: y",
        "https://hööks.example.com/",
        "https://someone@hooks.example.com/",
        "https:///x",
        "gopher://hooks.example.com/",
        "https://hooks.example.com/" + "x" * 2000,
        "",
    ],
)
async def test_what_is_no_address_is_refused_by_its_field(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        written(url)
    assert refused.value.field == "url"
    with pytest.raises(InvalidInput):
        await look_up(url)


PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.1"


@pytest.mark.parametrize(
    ("scheme", "addresses", "allows"),
    [
        ("https", [PUBLIC, PRIVATE], "public"),
        ("https", ["64:ff9b::7f00:1"], "public"),  # stands for 127.0.0.1
        ("https", ["169.254.169.254"], "private"),
        ("https", ["::ffff:169.254.169.254"], "private"),
        ("https", ["fe80::1%eth0"], "private"),
        ("http", [PRIVATE], "public"),
        ("http", [PUBLIC], "private"),
        ("http", [PRIVATE, PUBLIC], "private"),
    ],
)
def test_one_address_that_must_not_be_called_is_enough_to_refuse_a_name(
    scheme: str, addresses: list[str], allows: str
) -> None:
    found = Destination(f"{scheme}://hooks.example.com/", tuple(addresses))
    with pytest.raises(InvalidInput) as refused:
        found.check(allow_private=allows == "private")
    assert refused.value.field == "url"


def test_public_addresses_and_where_allowed_private_ones_are_taken() -> None:
    Destination("https://hooks.example.com/", (PUBLIC,)).check(allow_private=False)
    Destination("https://hooks.example.com/", (PRIVATE, PUBLIC)).check(allow_private=True)
    Destination("http://hooks.example.com/", (PRIVATE,)).check(allow_private=True)


async def test_a_slow_resolver_holds_neither_a_connection_nor_a_transaction(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    answer = asyncio.Event()

    async def slow(*_: object) -> list[str]:
        asked.set()
        await answer.wait()
        return ["127.0.0.1"]

    monkeypatch.setattr(destination, "resolved", slow)
    database = Database(office.database.url, pool_size=1)  # one connection for everybody
    url = "http://hooks.example.com:9/"
    spec = WebhookSpec("Chat", url, [WebhookEvent.ALERT_OPENED])

    async def create() -> None:
        async with database.transaction(tenant_id=office.tenant.id) as session:
            work = UnitOfWork(session)
            found = await work.aside(look_up, url)
            await work.run(
                create_webhook,
                principal=office.admin,
                box=BOX,
                spec=spec,
                now=utc_now(),
                destination=found,
            )

    creating = asyncio.create_task(create())
    await asked.wait()
    async with asyncio.timeout(2), database.transaction(tenant_id=office.tenant.id) as session:
        assert (await UnitOfWork(session).run(_count)) == 0
    answer.set()
    await creating
    await database.close()
    assert (await office.stored()).name == "Chat"


async def _count(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(Webhook)) or 0


async def test_asking_aside_comes_back_to_the_same_tenant_and_loses_nothing_written(
    office: PostOffice,
) -> None:
    async def nothing() -> None:
        await asyncio.sleep(0)

    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        work = UnitOfWork(session)
        await work.aside(nothing)
        assert await work.run(_count) == 0
        spec = WebhookSpec("Chat", "http://127.0.0.1:9/", [WebhookEvent.ALERT_OPENED])
        await work.run(
            create_webhook,
            principal=office.admin,
            box=BOX,
            spec=spec,
            destination=written(spec.url),
            now=utc_now(),
        )
        await work.aside(nothing)  # too late to give the connection back
        assert await work.run(_count) == 1
    assert (await office.stored()).name == "Chat"


async def test_what_was_looked_up_for_another_address_is_not_believed(office: PostOffice) -> None:
    spec = WebhookSpec("Chat", "http://10.0.0.1/", [WebhookEvent.ALERT_OPENED])
    async with office.database.transaction(tenant_id=office.tenant.id) as session:
        with pytest.raises(ValueError, match="this very address"):
            await create_webhook(
                session,
                principal=office.admin,
                box=BOX,
                spec=spec,
                now=utc_now(),
                destination=Destination("https://hooks.example.com/", ("93.184.216.34",)),
            )


async def test_names_that_do_not_answer_leave_the_hubs_threads_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_over = threading.Event()

    def stuck(*_: object, **__: object) -> list[Any]:
        is_over.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    monkeypatch.setattr(destination, "_RESOLVE_SECONDS", 0.2)
    lookups = [asyncio.create_task(look_up(f"https://a{each}.example.com/")) for each in range(64)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        assert await asyncio.to_thread(lambda: 7) == 7
    refused = await asyncio.gather(*lookups, return_exceptions=True)
    is_over.set()
    assert {type(one) for one in refused} == {InvalidInput}


async def test_an_address_that_does_not_answer_leaves_it_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def both(*_: object, **__: object) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first

    monkeypatch.setattr(sending, "addresses_of", both)
    async with receiving() as receiver:
        assert (await send(receiver.url, b"{}", {}, allow_private=True)).is_taken


def test_what_one_process_claims_has_its_turn_before_the_lease_is_over() -> None:
    turns = -(-MAX_WEBHOOKS * OF_ONE_WEBHOOK // AT_ONCE)
    assert turns * TIMEOUT_SECONDS < LEASE.total_seconds()
