"""Fixtures of the vulnerability tests."""

import pytest

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.vulnerabilities.scene import Scene


@pytest.fixture
def scene(database: Database, tenant: Tenant) -> Scene:
    """Return an empty scene in a tenant of its own."""
    return Scene(database, tenant)
