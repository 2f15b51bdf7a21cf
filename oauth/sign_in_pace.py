"""How fast credentials may be tried: slower with each failure, and never so that one is shut out.

* By address: a number of attempts a minute, whatever they are for.
* By account and caller: after five attempts that failed in a row, one after 2 s, the next after
  4 s, 8 s and so on up to a quarter of an hour. Success starts over; an hour of silence as well.
* By account alone: a hundred failures an hour, from wherever they come. That would let strangers
  hold up the owner, so it does not count in a browser in which the owner signed in before. Such a
  browser carries a cookie that only sign-in gives ("device cookie", OWASP), and has a pace of its
  own. Whoever has none and is held up gets in by resetting the password.
"""

import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from hub.errors import Throttled
from hub.settings import Settings
from oauth.tokens import digest_of

TOO_FAST = "Too many attempts. Wait a little and try again."
_FREE_ATTEMPTS = 5
_LONGEST_SECONDS = 900
_FORGET_SECONDS = 3600
_FAILURES_OF_ACCOUNT = RateLimitItemPerHour(100)
_LETTERS_TO_ADDRESS = RateLimitItemPerHour(5)


class SignInPace:
    """Counts attempts in memory, or in Redis or Valkey when there are replicas."""

    def __init__(self, settings: Settings) -> None:
        storage = storage_from_string(f"async+{settings.rate_limit_storage_url}")
        assert isinstance(storage, Storage)  # noqa: S101 - the async+ schemes return these
        self._storage = storage
        self._limiter = MovingWindowRateLimiter(storage)
        self._by_address = RateLimitItemPerMinute(settings.sign_in_attempts_per_minute)
        self._letters = RateLimitItemPerHour(settings.account_letters_per_hour)

    async def attempt(self, kind: str, *, account: str, address: str, device: str | None) -> None:
        """Count an attempt before it is made, or raise Throttled; `succeeded` takes it back.

        Before, not after: of fifty guesses sent at once, all would pass if failures alone counted.
        """
        await self._hit(self._by_address, f"{kind}-address", address)
        account_key = digest_of(account)
        if device is None and not await self._limiter.test(
            _FAILURES_OF_ACCOUNT, f"{kind}-account", account_key
        ):
            raise await self._throttled(_FAILURES_OF_ACCOUNT, f"{kind}-account", account_key)
        failures, pause = _keys(kind, account, device or address)
        if await self._storage.get(pause):
            # Not counted: impatience must not make the wait longer.
            raise await self._pausing(pause)
        number = await self._storage.incr(failures, _FORGET_SECONDS)
        seconds = min(2 ** min(number - _FREE_ATTEMPTS, 16), _LONGEST_SECONDS)
        # Of attempts that arrive together, one gets through; the others find its pause.
        if number > _FREE_ATTEMPTS and await self._storage.incr(pause, seconds) > 1:
            raise await self._pausing(pause)

    async def failed(self, kind: str, *, account: str, device: str | None) -> None:
        """Count a failure against the account, unless it came from a browser that is known."""
        if device is None:
            await self._limiter.hit(_FAILURES_OF_ACCOUNT, f"{kind}-account", digest_of(account))

    async def succeeded(self, kind: str, *, account: str, address: str, device: str | None) -> None:
        """Start over for this account and caller."""
        for key in _keys(kind, account, device or address):
            await self._storage.clear(key)

    async def letter(self, *, address: str) -> None:
        """Count a letter that this address causes, or raise Throttled."""
        await self._hit(self._letters, "letters", address)

    async def may_write_to(self, email: str) -> bool:
        """Tell whether this mailbox may get one more letter: nobody's is filled by strangers.

        Without an error: those who asked before have their letters, and the page stays the same.
        """
        return await self._limiter.hit(_LETTERS_TO_ADDRESS, "letters-to", digest_of(email))

    async def _hit(self, limit: RateLimitItem, kind: str, key: str) -> None:
        if not await self._limiter.hit(limit, kind, key):
            raise await self._throttled(limit, kind, key)

    async def _pausing(self, pause: str) -> Throttled:
        seconds = await self._storage.get_expiry(pause) - time.time()
        return Throttled(TOO_FAST, retry_after_seconds=max(1, int(seconds) + 1))

    async def _throttled(self, limit: RateLimitItem, kind: str, key: str) -> Throttled:
        window = await self._limiter.get_window_stats(limit, kind, key)
        return Throttled(
            TOO_FAST, retry_after_seconds=max(1, int(window.reset_time - time.time()) + 1)
        )


def _keys(kind: str, account: str, caller: str) -> tuple[str, str]:
    pair = digest_of(f"{account}\n{caller}")
    return f"{kind}-failures/{pair}", f"{kind}-pause/{pair}"
