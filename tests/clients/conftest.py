"""Fixtures: the npm packages that real clients come in, a browser, and a web with documents."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from oauth.client_documents.fetcher import HttpsFetcher
from tests.chromium import chromium
from tests.node_packages import node_modules
from tests.oauth.document_host import DocumentHost, document_host
from tests.running_hub import RunningHub, serving

__all__ = ["chromium", "node_modules"]


@pytest_asyncio.fixture(scope="session")
async def documents(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DocumentHost]:
    """Return an https host under a test authority, for clients' metadata documents."""
    async with document_host(tmp_path_factory.mktemp("document-host")) as host:
        yield host


@pytest_asyncio.fixture(scope="session")
async def web_hub(
    demo_url: str, documents: DocumentHost, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    """Return a hub with the demo in it, for which that host is the web."""
    fetcher = HttpsFetcher(documents.network, documents.trust)
    folder = tmp_path_factory.mktemp("web-hub")
    async with serving(demo_url, folder, document_fetcher=fetcher) as hub:
        yield hub
