"""How many calls one person may make through the connector in a minute."""

import math
import time
from uuid import UUID

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

_log = structlog.get_logger(__name__)


class RateLimit:
    """Counts calls per person, in memory or in a store that all replicas share."""

    def __init__(self, storage_url: str, *, calls_per_minute: int) -> None:
        storage = storage_from_string(f"async+{storage_url}", wrap_exceptions=True)
        if not isinstance(storage, Storage):
            raise TypeError(f"{storage_url} does not name an asynchronous storage.")
        self._shared = FixedWindowRateLimiter(storage)
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(calls_per_minute)

    async def seconds_to_wait(self, tenant_id: UUID, user_id: UUID) -> int:
        """Count one call; return 0 when it may go on, else after how many seconds to try again."""
        identifiers = ("mcp", tenant_id.hex, user_id.hex)
        try:
            return await self._seconds_to_wait(self._shared, *identifiers)
        except StorageError:
            # A store that is away must not stop the connector, nor open it without any limit.
            _log.warning("rate_limit_storage_unavailable", exc_info=True)
            return await self._seconds_to_wait(self._local, *identifiers)

    async def _seconds_to_wait(self, limiter: FixedWindowRateLimiter, *identifiers: str) -> int:
        if await limiter.hit(self._limit, *identifiers):
            return 0
        window = await limiter.get_window_stats(self._limit, *identifiers)
        return max(1, math.ceil(window.reset_time - time.time()))
