"""How often an address may ask: limits that keep the hub responsive, counted by each process.

Limits on guessing and flooding (sign-in, one-time codes, letters, registrations) are counted in the
database, by all replicas together; see `oauth.sign_in_pace`.
"""

import time
from ipaddress import IPv6Address, ip_address

from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from hub.errors import Throttled
from hub.settings import Settings
from oauth.tokens import digest_of

_CLIENT_FAILURES_PER_MINUTE = 20
_DOCUMENTS_PER_MINUTE = 30


class Throttle:
    """Counts requests in memory, or in the Redis or Valkey that the settings name."""

    def __init__(self, settings: Settings) -> None:
        storage = storage_from_string(f"async+{settings.rate_limit_storage_url}")
        assert isinstance(storage, Storage)  # noqa: S101 - the async+ schemes return these
        self._limiter = MovingWindowRateLimiter(storage)
        self._requests = RateLimitItemPerMinute(settings.oauth_requests_per_minute)
        self._client_failures = RateLimitItemPerMinute(_CLIENT_FAILURES_PER_MINUTE)
        self._documents = RateLimitItemPerMinute(_DOCUMENTS_PER_MINUTE)

    async def request(self, *, endpoint: str, address: str) -> None:
        """Count a request to an OAuth endpoint against the address."""
        await self._hit(self._requests, endpoint, address)

    async def document(self, *, address: str) -> None:
        """Count the fetch of a metadata document against the address that made us do it."""
        await self._hit(self._documents, "document", address)

    async def client_failure(self, *, address: str, client_id: str) -> None:
        """Count a failed authentication of a client.

        By address and client together: a guesser is stopped, and cannot stop the client itself.
        """
        await self._limiter.hit(
            self._client_failures, "client-failure", address, digest_of(client_id)
        )

    async def client_attempt(self, *, address: str, client_id: str) -> None:
        """Refuse further attempts after too many failures."""
        key = digest_of(client_id)
        if not await self._limiter.test(self._client_failures, "client-failure", address, key):
            raise Throttled(
                "Too many failed attempts of this client. Wait a minute.", retry_after_seconds=60
            )

    async def _hit(self, limit: RateLimitItem, kind: str, key: str) -> None:
        if await self._limiter.hit(limit, kind, key):
            return
        window = await self._limiter.get_window_stats(limit, kind, key)
        raise Throttled(
            "Too many attempts. Wait a little and try again.",
            retry_after_seconds=max(1, int(window.reset_time - time.time()) + 1),
        )


def address_of(request: Request) -> str:
    """Return the caller's address; of IPv6 the /64, which is what one customer is given."""
    # A neighbour on the link comes with a zone (`fe80::1%eth0`), which `exploded` trips over.
    host = (request.client.host if request.client else "").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return address.exploded[:19]
    return host
