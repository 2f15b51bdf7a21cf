"""Fixtures of the rules."""

import pytest

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.alerts.post_office import PostOffice
from tests.hub.alerts.scene import Scene


@pytest.fixture
def scene(database: Database, tenant: Tenant) -> Scene:
    """Return an empty tenant under watch."""
    return Scene(database, tenant)


@pytest.fixture
async def office(database: Database, tenant: Tenant) -> PostOffice:
    """Return a tenant that may call this machine."""
    office = PostOffice(database, tenant)
    await office.allow_private()
    return office
