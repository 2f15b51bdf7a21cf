"""A running connector for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.factories import connector
from tests.mcp_adapter.hub_in_test import RunningHub, running_hub
from tests.node_packages import node_modules

__all__ = ["hub", "node_modules", "token"]


@pytest_asyncio.fixture(scope="session")
async def hub(database: Database) -> AsyncIterator[RunningHub]:
    """Return a connector on loopback; in a task of its own, which its cancel scopes need."""
    started: asyncio.Future[RunningHub] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def serve() -> None:
        async with running_hub(database) as hub:
            started.set_result(hub)
            await stop.wait()

    serving = asyncio.create_task(serve())
    waited: list[asyncio.Future[Any]] = [serving, started]
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving  # tells why it could not start, where waiting on would tell nothing
    yield started.result()
    stop.set()
    await serving


@pytest.fixture
def token(hub: RunningHub, tenant: Tenant) -> str:
    """Return a token with both scopes for a person of the tenant."""
    return hub.authenticator.token_for(connector(tenant))
