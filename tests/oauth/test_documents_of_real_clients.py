"""A real client whose id is its metadata document, on an https host with a test authority."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from pydantic import AnyUrl

from oauth.client_documents.fetcher import HttpsFetcher
from tests.acceptance.person import Account
from tests.clients.python_client import Memory
from tests.clients.test_python_sdk import REDIRECT_URI, Browser
from tests.oauth.document_host import URL, DocumentHost, document_host
from tests.running_hub import RunningHub, serving


@pytest_asyncio.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DocumentHost]:
    async with document_host(tmp_path_factory.mktemp("client-host")) as host:
        yield host


@pytest_asyncio.fixture(scope="module")
async def hub(
    demo_url: str, host: DocumentHost, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Return a hub whose web is the test's host."""
    fetcher = HttpsFetcher(host.network, host.trust)
    folder = tmp_path_factory.mktemp("hub-with-web")
    async with serving(demo_url, folder, document_fetcher=fetcher) as hub:
        yield hub


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_sdk_connects_without_registering(
    mode: str, hub: RunningHub, host: DocumentHost, operator: Account
) -> None:
    """MCP "Client ID Metadata Documents": preferred to registration where both are offered."""
    host.serve(URL, redirect_uris=[REDIRECT_URI], client_name="python-sdk")
    browser, memory = Browser(operator), Memory()
    provider = OAuthClientProvider(
        hub.mcp_url,
        OAuthClientMetadata(
            client_name="python-sdk",
            redirect_uris=[AnyUrl(REDIRECT_URI)],
            token_endpoint_auth_method="none",
        ),
        memory,
        redirect_handler=browser.open,
        callback_handler=browser.callback,
        client_metadata_url=URL,
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(hub.mcp_url, http_client=http), mode=mode) as client,
    ):
        answer = await client.call_tool("monsys_kpi_summary")
    assert not answer.is_error
    assert memory.client is not None
    assert memory.client.client_id == URL
    assert host.requests == ["/oauth/metadata.json"]  # once: fresh for the second client
