"""The hub's side of a host that reports, by both of its ways in, and a host."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.reporting import taking_in
from tests.signed_agent import SignedAgent, enrolled_agent


@pytest_asyncio.fixture(
    params=[
        pytest.param(False, id="routed", marks=pytest.mark.slow),
        pytest.param(True, id="first door"),
    ]
)
async def http(
    request: pytest.FixtureRequest, database: Database
) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of the routes, and one of the way past them: both answer alike."""
    async with taking_in(database, is_first_door=request.param) as client:
        yield client


@pytest_asyncio.fixture
async def agent(database: Database, tenant: Tenant) -> SignedAgent:
    return await enrolled_agent(database, tenant.id)
