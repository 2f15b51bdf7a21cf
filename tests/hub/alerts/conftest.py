"""Fixtures of the rules."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete

from hub.alerts.webhooks.models import Webhook
from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.scene import Scene


@pytest.fixture
def scene(database: Database, tenant: Tenant) -> Scene:
    """Return an empty tenant under watch."""
    return Scene(database, tenant)


@pytest.fixture
async def office(database: Database, tenant: Tenant) -> AsyncIterator[PostOffice]:
    """Return a tenant that may call this machine."""
    office = PostOffice(database, tenant)
    await office.allow_private()
    yield office
    # What is sealed with a test's key is in the way of those who count what is sealed.
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(delete(Webhook))
