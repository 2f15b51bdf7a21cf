"""Clients by their document's address: from our copy while it is fresh, else from the web.

The copy is a row of `oauth_clients`, so replicas share it. Only documents that are in order are
kept; a failure is never remembered, and the next request tries again.
"""

import asyncio
import time
from datetime import timedelta

from hub.clock import utc_now
from hub.database import Database
from oauth import commands
from oauth.client_documents.caching import STALE_GRACE, fresh_for
from oauth.client_documents.documents import client_of
from oauth.client_documents.errors import DocumentRefusedError, DocumentUnavailableError
from oauth.client_documents.fetcher import DocumentFetcher
from oauth.client_documents.pinned import pinned_client
from oauth.client_documents.urls import url_fault
from oauth.models import OAuthClient, StepKind
from oauth.queries import client_by_id
from oauth.throttle import Throttle
from oauth.trace import Step, store_step

_MAX_FETCHES = 8
_PINNED_SECONDS = 300.0


class ClientDirectory:
    """Finds clients that are documents; one for the process's life."""

    def __init__(self, database: Database, fetcher: DocumentFetcher, throttle: Throttle) -> None:
        self._database = database
        self._fetcher = fetcher
        self._throttle = throttle
        self._fetches = asyncio.Semaphore(_MAX_FETCHES)
        self._locks: dict[str, asyncio.Lock] = {}
        # Where the web is out of reach, people should not wait for it at each step.
        self._pinned_until: dict[str, float] = {}

    async def client(self, url: str, *, address: str, request_id: str | None) -> OAuthClient:
        """Return the client; DocumentError when it has none, Throttled when asked too often.

        Fetching may take seconds: call it before a transaction is opened.
        """
        if fault := url_fault(url):
            raise DocumentRefusedError(fault)
        pinned = pinned_client(url)
        if pinned is not None and time.monotonic() < self._pinned_until.get(url, 0.0):
            return pinned
        if fresh := await self._fresh(url):
            return fresh
        await self._throttle.document(address=address)
        # One fetch for one document, however many wait for it.
        lock = self._locks.setdefault(url, asyncio.Lock())
        try:
            async with lock, self._fetches:
                return await self._fresh(url) or await self._read(url, request_id)
        finally:
            if not lock.locked():
                self._locks.pop(url, None)

    async def _fresh(self, url: str) -> OAuthClient | None:
        stored = await self._stored(url)
        if stored is None or stored.document_fresh_until is None:
            return None
        return stored if utc_now() < stored.document_fresh_until else None

    async def _stored(self, url: str) -> OAuthClient | None:
        async with self._database.transaction(presented=url) as session:
            return await client_by_id(session, client_id=url)

    async def _read(self, url: str, request_id: str | None) -> OAuthClient:
        try:
            fetched = await self._fetcher.fetch(url)
            client = client_of(url, fetched)
        except DocumentUnavailableError:
            if earlier := await self._earlier(url):
                return earlier
            if pinned := pinned_client(url):
                self._pinned_until[url] = time.monotonic() + _PINNED_SECONDS
                return pinned
            raise
        now = utc_now()
        client.document_fetched_at = now
        client.document_fresh_until = now + fresh_for(fetched.headers, now=now)
        await self._keep(client, request_id)
        return client

    async def _earlier(self, url: str) -> OAuthClient | None:
        """Return an outdated copy, while its host's silence is not too long."""
        stored = await self._stored(url)
        if stored is None or stored.document_fresh_until is None:
            return None
        is_usable: bool = utc_now() < stored.document_fresh_until + STALE_GRACE
        return stored if is_usable else None

    async def _keep(self, client: OAuthClient, request_id: str | None) -> None:
        step = Step(
            kind=StepKind.DOCUMENT_READ,
            client_id=client.client_id,
            request_id=request_id,
            details={"fresh_minutes": _minutes(client)},
        )
        async with self._database.transaction(presented=client.client_id) as session:
            await commands.keep_document_client(session, client=client)
            await store_step(session, step=step)


def _minutes(client: OAuthClient) -> int:
    assert client.document_fresh_until is not None  # noqa: S101 - set by the caller
    assert client.document_fetched_at is not None  # noqa: S101
    return (client.document_fresh_until - client.document_fetched_at) // timedelta(minutes=1)
