"""Fixtures of detections: a host of the test's tenant."""

import pytest_asyncio

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.detections.scene import Host, new_host


@pytest_asyncio.fixture
async def host(database: Database, tenant: Tenant) -> Host:
    """Return a host that the hub has known for a month."""
    return await new_host(database, tenant)
