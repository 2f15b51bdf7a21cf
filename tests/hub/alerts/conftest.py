"""Fixtures of the rules."""

import pytest

from hub.database import Database
from hub.tenancy.models import Tenant
from tests.hub.alerts.scene import Scene


@pytest.fixture
def scene(database: Database, tenant: Tenant) -> Scene:
    """Return an empty tenant under watch."""
    return Scene(database, tenant)
