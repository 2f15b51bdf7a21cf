"""Sending: bad answers, slow ones, and addresses that must not be called."""

import pytest

from hub.alerts.webhooks import sending
from hub.alerts.webhooks.sending import Answer, send
from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput
from hub.tenancy.models import Tenant
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.receiver import OK, receiving, status


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
