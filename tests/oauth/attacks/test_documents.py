"""Attacks through metadata documents: what a stranger could make the hub connect to."""

import asyncio

import orjson
import pytest

from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser
from tests.oauth.document_host import (
    HOST,
    PUBLIC_ADDRESS,
    URL,
    DocumentHost,
    answering,
    metadata_of,
)
from tests.oauth.flow import Client

pytestmark = pytest.mark.slow

BAD_URLS = {
    "http": f"http://{HOST}/a",
    "no path": f"https://{HOST}",
    "root": f"https://{HOST}/",
    "query instead of a path": f"https://{HOST}?a",
    "fragment": f"{URL}#a",
    "user name": f"https://user@{HOST}/a",
    "user name and password": f"https://claude.ai:x@{HOST}/a",
    "dot segment": f"https://{HOST}/./a",
    "double dots": f"https://{HOST}/a/../b",
    "encoded dots": f"https://{HOST}/a/%2e%2E/b",
    "IPv4": "https://127.0.0.1/a",
    "decimal": "https://2130706433/a",
    "octal": "https://0177.0.0.1/a",
    "hexadecimal": "https://0x7f.1/a",
    "short": "https://127.1/a",
    "IPv6": "https://[::1]/a",
    "IPv6-mapped": "https://[::ffff:127.0.0.1]/a",
    "single label": "https://localhost/a",
    "upper case": "https://CLIENT.example/a",
    "not ASCII": "https://clіent.example/a",  # noqa: RUF001 - Cyrillic on purpose
    "backslash": f"https://{HOST}\\@evil.example/a",
    "port zero": f"https://{HOST}:0/a",
    "port too large": f"https://{HOST}:65536/a",
    "too long": f"https://{HOST}/" + "a" * 600,
}
SPECIAL_ADDRESSES = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - as an attacker names it
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "not an address",
]


def of_document(url: str) -> Client:
    """Return a client whose id is this address."""
    return Client(url, redirect_uri="https://client.example/callback")


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=list(BAD_URLS))
async def test_an_address_that_breaks_a_rule_is_not_even_resolved(
    url: str, browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document, "Client Identifier"; RFC 6749 §4.1.2.1 for the error page."""
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="'error': 'invalid_")
    assert host.network.resolved == []
    assert host.requests == []


@pytest.mark.parametrize("special", SPECIAL_ADDRESSES)
async def test_a_name_that_resolves_to_a_special_address_is_not_connected_to(
    special: str, browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document, "Security Considerations" (SSRF); RFC 6890."""
    host.serve(URL)
    host.network.answers[HOST] = [[special]]
    await scene.begin()
    response = await browser.get(of_document(URL).authorize_url())
    await scene.refused(response, status=400, reason="not public")
    assert host.network.connected == []


async def test_one_special_address_among_public_ones_is_enough(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document, "Security Considerations" (SSRF)."""
    host.serve(URL)
    host.network.answers[HOST] = [[PUBLIC_ADDRESS, "127.0.0.1"]]
    await scene.begin()
    response = await browser.get(of_document(URL).authorize_url())
    await scene.refused(response, status=400, reason="not public")
    assert host.network.connected == []


async def test_a_name_that_changes_its_mind_gains_nothing(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """DNS rebinding: the address that was checked is the one that is connected to, each time."""
    url, other = (f"https://{HOST}/rebinding-{number}" for number in range(2))
    host.serve(url)
    host.serve(other)
    host.network.answers[HOST] = [[PUBLIC_ADDRESS], ["127.0.0.1"]]
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    assert response.status_code == 303  # to sign-in: the document was read
    assert (host.network.resolved, host.network.connected) == ([HOST], [PUBLIC_ADDRESS])
    await scene.begin()  # that document is known now
    response = await browser.get(of_document(other).authorize_url())
    await scene.refused(response, status=400, reason="not public")
    assert host.network.connected == [PUBLIC_ADDRESS]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document, "Client ID Metadata Document": MUST NOT follow redirects."""
    url = f"https://metadata.example/redirect-{status}"
    target = "https://metadata.example/internal"
    host.answer(url, answering(b"{}", status=status, more=f"Location: {target}\r\n"))
    host.serve(target)
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="does not answer with a document")
    assert host.requests == [f"/redirect-{status}"]


async def test_a_huge_document_is_not_read_to_its_end(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document: at most 5 KB; the length it announces is not believed."""
    url = "https://metadata.example/huge"
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while sent < 50_000_000:
            writer.write(b" " * 65_536)
            sent += 65_536
            await writer.drain()

    host.answer(url, endless)
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="larger than 5 KB")
    assert sent < 50_000_000


async def test_a_compressed_bomb_is_not_unpacked(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document: asked for as it is; what comes packed is not JSON."""
    url = "https://metadata.example/bomb"
    host.answer(url, answering(b"\x1f\x8b\x08\x00", more="Content-Encoding: gzip\r\n"))
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="not JSON")


@pytest.mark.slow
async def test_a_slow_document_is_given_up(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document: five seconds for everything, however steadily it drips."""
    url = "https://metadata.example/slow"
    hung_up = asyncio.Event()

    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        try:
            for _ in range(300):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)
        finally:
            hung_up.set()

    host.answer(url, dripping)
    await scene.begin()
    started = asyncio.get_running_loop().time()
    response = await browser.get(of_document(url).authorize_url())
    seconds = asyncio.get_running_loop().time() - started
    await scene.refused(response, status=400, reason="in time")
    # The real limit: given the whole of it, and not much more than it.
    assert 5 <= seconds < 10
    await asyncio.wait_for(hung_up.wait(), 10)


async def test_a_document_that_is_slow_before_it_begins_is_given_up(
    browser: Browser, scene: Scene, host: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """client-id-metadata-document: the name and the handshake count as well (here a fifth)."""
    monkeypatch.setattr("oauth.client_documents.fetcher.FETCH_SECONDS", 0.2)

    async def silence(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2)

    url = "https://metadata.example/silent"
    host.answer(url, silence)
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="in time")


async def test_a_certificate_of_another_host_is_not_accepted(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """RFC 9110 §4.3.4: connecting by address changes nothing about whose name is verified."""
    url = "https://other.example/a"
    host.serve(url)
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="cannot be reached")
    assert host.requests == []


BAD_DOCUMENTS = {
    "another id": {"client_id": "https://claude.ai/oauth/mcp-oauth-client-metadata"},
    "id with another query": {"client_id": "?"},
    "no id": {"client_id": None},
    "no name": {"client_name": None},
    "no redirects": {"redirect_uris": None},
    "empty redirects": {"redirect_uris": []},
    "dangerous redirects": {"redirect_uris": ["javascript:alert(1)", "http://evil.example/"]},
    "a secret": {"client_secret": "s"},
    "a secret's expiry": {"client_secret_expires_at": 0},
    "secret in the body": {"token_endpoint_auth_method": "client_secret_post"},
    "secret in the header": {"token_endpoint_auth_method": "client_secret_basic"},
    "signed with a secret": {"token_endpoint_auth_method": "client_secret_jwt"},
    "other grant": {"grant_types": ["implicit"]},
    "other answer": {"response_types": ["token"]},
}


@pytest.mark.parametrize("changes", BAD_DOCUMENTS.values(), ids=list(BAD_DOCUMENTS))
async def test_a_document_that_breaks_a_rule_makes_no_client(
    changes: dict[str, object], browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document, "Client Metadata" and "Client Authentication"."""
    url = "https://metadata.example/bad"
    host.serve(url, metadata_of(url, **changes))
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="own description cannot be used")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b"\xff\xfe{"])
async def test_what_is_no_json_object_makes_no_client(
    body: bytes, browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """client-id-metadata-document, "Client ID Metadata Document"."""
    url = "https://metadata.example/no-object"
    host.answer(url, answering(body))
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="JSON")


async def test_a_page_that_looks_like_a_document_makes_no_client(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """A site that lets people upload HTML is no publisher of clients: JSON by its type only."""
    url = "https://metadata.example/upload"
    host.answer(url, answering(orjson.dumps(metadata_of(url)), content_type="text/html"))
    await scene.begin()
    response = await browser.get(of_document(url).authorize_url())
    await scene.refused(response, status=400, reason="does not answer with JSON")


async def test_a_documents_redirect_is_matched_like_any_other(
    browser: Browser, scene: Scene, host: DocumentHost
) -> None:
    """RFC 9700 §2.1: a document is no licence to send codes elsewhere."""
    url = "https://metadata.example/good"
    host.serve(url)
    await browser.get(of_document(url).authorize_url())
    await scene.begin()
    client = Client(url, redirect_uri="https://client.example.evil.example/callback")
    response = await browser.get(client.authorize_url())
    await scene.refused(response, status=400, reason="did not register")
