"""Clients that are a document on the web: read, shown, cached, and known by heart.

The sections are those of draft-ietf-oauth-client-id-metadata-document.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import update
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.settings import Settings
from hub.tenancy.models import Tenant
from oauth.bearer import BearerAuthenticator
from oauth.client_documents.addresses import is_public
from oauth.client_documents.caching import LONGEST, SHORTEST, fresh_for
from oauth.client_documents.errors import DocumentUnavailableError
from oauth.client_documents.fetcher import Fetched, HttpsFetcher
from oauth.client_documents.pinned import CLAUDE, CLAUDE_CODE
from oauth.models import OAuthClient
from oauth.queries import client_by_id
from oauth.routes import build_oauth
from tests.factories import make_user
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import API_ORIGIN, APP_ORIGIN, MakeSignedIn, make_app
from tests.oauth.document_host import DocumentHost, answering, document_host, metadata_of
from tests.oauth.flow import PASSWORD, PASSWORD_HASH, TOKEN, Client, authorize
from tests.oauth.trail import events_of

CALLBACK = "https://client.example/callback"
NOW = utc_now()


class NoWeb:
    """A hub behind a wall: nothing can be fetched."""

    attempts = 0

    async def fetch(self, _url: str) -> Fetched:
        self.attempts += 1
        raise DocumentUnavailableError("its host cannot be reached")


@pytest_asyncio.fixture(scope="session")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DocumentHost]:
    async with document_host(tmp_path_factory.mktemp("documents")) as host:
        yield host


@pytest.fixture
def app(settings: Settings, database: Database, host: DocumentHost) -> FastAPI:
    app = make_app(settings, database)
    fetcher = HttpsFetcher(host.network, host.trust)
    app.state.oauth = build_oauth(settings, database, fetcher=fetcher)
    host.requests.clear()
    return app


@pytest.fixture
def url() -> str:
    """Return an address that no other test has made known."""
    return f"https://client.example/{uuid4().hex}"


async def outdate(database: Database, url: str, by: timedelta) -> None:
    """Let the document have been fresh until so long ago."""
    async with database.transaction(presented=url) as session:
        await session.execute(
            update(OAuthClient)
            .where(col(OAuthClient.client_id) == url)
            .values(document_fresh_until=utc_now() - by)
        )


async def test_connects_without_any_registration(
    url: str,
    host: DocumentHost,
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
    authenticator: BearerAuthenticator,
    database: Database,
    tenant: Tenant,
) -> None:
    """The whole flow; the document is read once."""
    host.serve(url)
    await sign_in_as()
    client = Client(url, redirect_uri=CALLBACK)
    code = await authorize(browser, client)
    response = await api.post(TOKEN, data=client.token_form(code))
    assert response.status_code == 200
    principal = await authenticator.authenticate(response.json()["access_token"])
    assert principal.client_id == url
    assert len(host.requests) == 1
    assert ("oauth_grant_created", "success") in await events_of(database, tenant)


async def test_the_page_names_the_host_that_published_the_client(
    url: str, host: DocumentHost, browser: Browser, sign_in_as: MakeSignedIn
) -> None:
    """§6 "Displaying…": the host of the client id, beside the name it gives itself."""
    host.serve(url, client_name="Claude", redirect_uris=["https://elsewhere.example/cb"])
    await sign_in_as()
    client = Client(url, redirect_uri="https://elsewhere.example/cb")
    text = Page((await browser.get(client.authorize_url())).text).text
    assert "Published by client.example" in text
    assert "elsewhere.example" in text


async def test_what_a_document_offers_beyond_us_is_left_aside(
    url: str, host: DocumentHost, browser: Browser, database: Database
) -> None:
    """One document serves many servers: other redirects, grants and members do no harm."""
    redirects = ["http://client.example/callback", CALLBACK, "javascript:alert(1)"]
    host.serve(
        url,
        redirect_uris=redirects,
        grant_types=["authorization_code", "refresh_token", "urn:x"],
        jwks_uri="https://client.example/keys",
        extra={"a": 1},
    )
    response = await browser.get(Client(url, redirect_uri=CALLBACK).authorize_url())
    assert response.status_code == 303
    async with database.transaction(presented=url) as session:
        stored = await client_by_id(session, client_id=url)
    assert stored is not None
    assert stored.redirect_uris == [CALLBACK]
    assert stored.secret_digest is None


async def test_a_document_is_read_again_when_it_is_no_longer_fresh(
    url: str, host: DocumentHost, browser: Browser, database: Database
) -> None:
    """RFC 9111 §4.2: a removed redirect is known then."""
    host.serve(url)
    client = Client(url, redirect_uri=CALLBACK)
    assert (await browser.get(client.authorize_url())).status_code == 303
    host.serve(url, redirect_uris=["https://client.example/moved"])
    assert (await browser.get(client.authorize_url())).status_code == 303
    await outdate(database, url, timedelta(seconds=1))
    assert (await browser.get(client.authorize_url())).status_code == 400
    assert len(host.requests) == 2


@pytest.mark.parametrize(
    "failure",
    [
        answering(b"no", status=403, content_type="text/html"),
        answering(b"no", status=503),
        answering(b"<html>checking your browser</html>", content_type="text/html"),
        answering(b"", status=302, more="Location: https://elsewhere.example/\r\n"),
    ],
    ids=["turned away", "down", "a page", "a redirect"],
)
async def test_an_outdated_copy_serves_while_its_host_does_not_answer(
    failure: object, url: str, host: DocumentHost, browser: Browser, database: Database
) -> None:
    """RFC 5861 §4, a week at most: an outage of the client's host is not one of ours."""
    host.serve(url)
    client = Client(url, redirect_uri=CALLBACK)
    await browser.get(client.authorize_url())
    host.answer(url, failure)  # type: ignore[arg-type]
    await outdate(database, url, timedelta(days=6))
    assert (await browser.get(client.authorize_url())).status_code == 303
    await outdate(database, url, timedelta(days=8))
    assert (await browser.get(client.authorize_url())).status_code == 400


@pytest.mark.parametrize("status", [404, 410])
async def test_a_document_that_was_taken_away_is_no_client_any_more(
    status: int, url: str, host: DocumentHost, browser: Browser, database: Database
) -> None:
    """A host that says "gone" is not silent: no grace."""
    host.serve(url)
    client = Client(url, redirect_uri=CALLBACK)
    await browser.get(client.authorize_url())
    host.answer(url, answering(b"", status=status))
    await outdate(database, url, timedelta(seconds=1))
    assert (await browser.get(client.authorize_url())).status_code == 400


async def test_a_failure_is_never_remembered(
    url: str, host: DocumentHost, browser: Browser
) -> None:
    """§4.4: MUST NOT cache errors, nor documents that are not in order."""
    client = Client(url, redirect_uri=CALLBACK)
    host.answer(url, answering(b"no", status=500, more="Cache-Control: max-age=9999\r\n"))
    assert (await browser.get(client.authorize_url())).status_code == 400
    host.serve(url, metadata_of(url, client_id="https://client.example/other"))
    assert (await browser.get(client.authorize_url())).status_code == 400
    host.serve(url)
    assert (await browser.get(client.authorize_url())).status_code == 303


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, timedelta(hours=1)),
        ({"cache-control": "public, max-age=3600"}, timedelta(hours=1)),
        ({"cache-control": 'max-age="7200"', "age": "3600"}, timedelta(hours=1)),
        ({"cache-control": "max-age=10"}, SHORTEST),
        ({"cache-control": "max-age=31536000"}, LONGEST),
        ({"cache-control": "no-store, max-age=3600"}, SHORTEST),
        ({"cache-control": "no-cache"}, SHORTEST),
        ({"cache-control": "max-age=7200", "age": "-5"}, timedelta(hours=2)),
        ({"expires": "0"}, SHORTEST),
        (
            {
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
                "expires": "Sun, 22 Nov 2026 13:00:00 GMT",
            },
            timedelta(hours=3),
        ),
    ],
)
def test_freshness_is_what_http_says_within_bounds(
    headers: dict[str, str], expected: timedelta
) -> None:
    """RFC 9111 §5.2.2 and §5.3; the draft lets a server set bounds."""
    assert fresh_for(headers, now=NOW) == expected


@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [
        (CLAUDE, "https://claude.ai/api/mcp/auth_callback"),
        (CLAUDE, "https://claude.com/api/mcp/auth_callback"),
        (CLAUDE_CODE, "http://localhost:51234/callback"),
        (CLAUDE_CODE, "http://127.0.0.1:8080/callback"),
    ],
)
async def test_claude_connects_to_a_hub_that_cannot_reach_the_web(
    client_id: str, redirect_uri: str, settings: Settings, database: Database, tenant: Tenant
) -> None:
    """Its two documents are known by heart; one wait for the web, not one at each step."""
    app, fetcher = make_app(settings, database), NoWeb()
    app.state.oauth = build_oauth(settings, database, fetcher=fetcher)
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    transport = httpx2.ASGITransport(app)
    async with (
        Browser(app, APP_ORIGIN) as browser,
        httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as api,
    ):
        await browser.sign_in(user.email, PASSWORD)
        client = Client(client_id, redirect_uri=redirect_uri)
        code = await authorize(browser, client)
        response = await api.post(TOKEN, data=client.token_form(code))
    assert response.status_code == 200
    assert fetcher.attempts == 1


async def test_what_is_known_by_heart_still_has_its_redirects_only(
    settings: Settings, database: Database
) -> None:
    app = make_app(settings, database)
    app.state.oauth = build_oauth(settings, database, fetcher=NoWeb())
    async with Browser(app, APP_ORIGIN) as browser:
        client = Client(CLAUDE, redirect_uri="https://claude.ai/other")
        assert (await browser.get(client.authorize_url())).status_code == 400


async def test_the_web_is_preferred_to_what_is_known_by_heart(
    host: DocumentHost, browser: Browser, database: Database
) -> None:
    host.serve(CLAUDE, redirect_uris=["https://claude.ai/new_callback"])
    client = Client(CLAUDE, redirect_uri="https://claude.ai/new_callback")
    assert (await browser.get(client.authorize_url())).status_code == 303
    async with database.transaction(presented=CLAUDE) as session:
        stored = await client_by_id(session, client_id=CLAUDE)
        assert stored is not None
        await session.delete(stored)


@pytest.mark.parametrize("public", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_public(public: str) -> None:
    """The counterpart: the rule is not simply no."""
    assert is_public(public)
