"""Webhooks over TLS: handshakes with a certificate that is trusted, and with those that are not.

Trust comes from where OpenSSL looks for it, as on a host: nothing of the hub is replaced.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hub.alerts.webhooks import sending
from hub.alerts.webhooks.sending import send
from tests.hub.alerts.authority import Authority
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.receiver import receiving


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """Return the one authority that is trusted here."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nothing"))
    sending._tls.cache_clear()
    yield authority
    sending._tls.cache_clear()


async def fate(office: PostOffice, url: str) -> tuple[str, str, int | None]:
    """Let an alert open, send it there, and return what the delivery says."""
    await office.webhook(url)
    await office.open()
    assert await office.deliver() == 1
    [delivery] = await office.deliveries()
    return delivery.state.value, delivery.last_error, delivery.last_status


async def test_a_receiver_whose_certificate_is_good_gets_it_signed(
    office: PostOffice, authority: Authority
) -> None:
    async with receiving(tls=authority.server("127.0.0.1")) as receiver:
        made = await office.webhook(receiver.url)
        await office.open()
        assert await office.deliver() == 1
    assert await office.states() == [("alert.opened", "delivered")]
    assert receiver.received[0].is_signed_with(made.secret)


async def test_the_name_in_the_certificate_is_that_of_the_url_and_not_of_the_address(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def here(*_: object, **__: object) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(sending, "addresses_of", here)
    async with receiving(tls=authority.server("hooks.example.com")) as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example.com")
        assert (await send(url, b"{}", {}, allow_private=True)).is_taken
        by_address = await send(receiver.url, b"{}", {}, allow_private=True)
    assert by_address.error == "tls_wrong_name"
    assert receiver.received[0].headers["host"].startswith("hooks.example.com:")


@pytest.mark.parametrize(
    ("names", "age", "error"),
    [
        (["hooks.example.com"], timedelta(), "tls_wrong_name"),
        (["127.0.0.1"], timedelta(days=3), "tls_expired"),
        (["127.0.0.1"], timedelta(days=-3), "tls_not_yet_valid"),
    ],
)
async def test_a_receiver_with_a_bad_certificate_gets_nothing_and_the_delivery_says_why(
    office: PostOffice, authority: Authority, names: list[str], age: timedelta, error: str
) -> None:
    async with receiving(tls=authority.server(*names, age=age)) as receiver:
        assert await fate(office, receiver.url) == ("pending", error, None)
    assert receiver.received == []


@pytest.mark.usefixtures("authority")
async def test_an_authority_that_nobody_trusts_vouches_for_nobody(
    office: PostOffice, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    async with receiving(tls=stranger.server("127.0.0.1")) as receiver:
        assert await fate(office, receiver.url) == ("pending", "tls_untrusted", None)
    assert receiver.received == []
