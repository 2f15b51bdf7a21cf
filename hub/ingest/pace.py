"""How many requests a host may send a minute: counted here, or where replicas share the counts."""

from time import time

from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string

from hub.errors import Throttled

_WINDOW_SECONDS = 60


class Pace:
    """Counts requests of hosts in windows of a minute.

    In memory the counts of one window are one dictionary, forgotten with it. `limits` looks at
    every count there is a hundred times a second to find those that expired: with ten thousand
    hosts that alone is more than a processor does.
    """

    def __init__(self, storage_url: str, *, requests_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._shared = (
            None
            if storage_url.startswith("memory://")
            else FixedWindowRateLimiter(storage_from_string(f"async+{storage_url}"))
        )
        self._window = 0
        self._counts: dict[str, int] = {}

    async def count(self, host: str) -> None:
        """Count one request; raise Throttled when there were too many in this minute."""
        if self._shared is None:
            is_allowed = self._hit(host)
        else:
            is_allowed = await self._shared.hit(self._limit, "ingest", host)
        if not is_allowed:
            raise Throttled(
                f"A host may send {self._limit.amount} requests a minute; the interval is 15"
                " seconds. Keep the report and send it later.",
                retry_after_seconds=_WINDOW_SECONDS - int(time()) % _WINDOW_SECONDS,
            )

    def _hit(self, host: str) -> bool:
        window = int(time()) // _WINDOW_SECONDS
        if window != self._window:
            self._window, self._counts = window, {}
        count = self._counts[host] = self._counts.get(host, 0) + 1
        return count <= self._limit.amount
