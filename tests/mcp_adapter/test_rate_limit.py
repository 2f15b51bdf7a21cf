"""Calls per person: counted in the shared store, and without it all the same."""

from unittest.mock import patch
from uuid import uuid4

import pytest
from limits.errors import StorageError

from mcp_adapter.rate_limit import RateLimit


@pytest.mark.slow
async def test_a_store_that_is_away_neither_stops_nor_opens_the_connector() -> None:
    limit = RateLimit("memory://", calls_per_minute=1)
    tenant_id, user_id = uuid4(), uuid4()
    away = StorageError(OSError("the store is away"))
    with patch.object(limit._shared, "hit", side_effect=away):
        waits = [await limit.seconds_to_wait(tenant_id, user_id) for _ in range(4)]
    # A window may end between two calls, but not twice.
    assert waits[0] == 0
    assert sum(wait > 0 for wait in waits) >= 2
