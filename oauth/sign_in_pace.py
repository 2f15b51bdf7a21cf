"""How fast credentials may be tried: slower with each failure, and never so that one is shut out.

* By address: a number of attempts a minute, whatever they are for.
* By account and caller: after five attempts that failed in a row, one after 2 s, the next after
  4 s, 8 s and so on up to a quarter of an hour. Success starts over; an hour of silence as well.
* By account alone: a hundred failures an hour, from wherever they come. Of one-time codes thirty a
  day: they are short, and at a hundred an hour whoever knows the password would be likelier to find
  one within a year than not (RFC 4226 §7.3). That would let strangers hold up the owner, so it does
  not count in a browser in which the owner signed in before. Such a browser carries a cookie that
  only sign-in gives ("device cookie", OWASP), and has a pace of its own. Whoever has none and is
  held up gets in by resetting the password.

All of it is counted in PostgreSQL: these are limits on guessing, and a guesser must gain nothing by
asking another replica or by waiting for a restart. (Limits that only keep the hub responsive are
counted by each process, or in the store of MONSYS_RATE_LIMIT_STORAGE_URL; see `oauth.throttle`.)
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.clock import utc_now
from hub.database import Database, enter
from hub.errors import Throttled
from hub.settings import Settings
from hub.tenancy.attempts import (
    Limit,
    count_in_a_row,
    count_within,
    forget_attempts,
    reached_until,
)
from oauth.tokens import digest_of

TOO_FAST = "Too many attempts. Wait a little and try again."
_FREE_ATTEMPTS = 5
_LONGEST_SECONDS = 900
_HOUR = timedelta(hours=1)
_FAILURES_OF_ACCOUNT = Limit(100, _HOUR)
_WRONG_CODES = Limit(30, timedelta(days=1))
_LETTERS_TO_ADDRESS = Limit(5, _HOUR)


class SignInPace:
    """Counts attempts, for all replicas together."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._by_address = Limit(settings.sign_in_attempts_per_minute, timedelta(minutes=1))
        self._letters = Limit(settings.account_letters_per_hour, _HOUR)
        self._registrations = Limit(settings.registrations_per_hour, _HOUR)

    async def attempt(self, kind: str, *, account: str, address: str, device: str | None) -> None:
        """Count an attempt before it is made, or raise Throttled; `succeeded` takes it back.

        Before, not after: of fifty guesses sent at once, all would pass if failures alone counted.
        """
        async with self._database.transaction() as session:
            refusal = await _attempt(
                session,
                kind,
                account=account,
                address=address,
                device=device,
                by_address=self._by_address,
            )
        # Raised out here: what was counted on the way stays counted.
        if refusal is not None:
            raise refusal

    async def failed(self, kind: str, *, account: str, device: str | None) -> None:
        """Count a failure against the account, unless it came from a browser that is known."""
        if device is not None:
            return
        async with self._database.transaction() as session:
            await _hit(session, _failures_of(kind), _account_key(kind, account))

    async def succeeded(self, kind: str, *, account: str, address: str, device: str | None) -> None:
        """Start over for this account and caller."""
        async with self._database.transaction() as session:
            for key in _keys(kind, account, device or address):
                await enter(session, presented=key)
                await forget_attempts(session, digest=key)

    async def letter(self, *, address: str) -> None:
        """Count a letter that this address causes, or raise Throttled."""
        await self._count(self._letters, _key("letters", address))

    async def registration(self, *, address: str) -> None:
        """Count a client registration against the address, or raise Throttled."""
        await self._count(self._registrations, _key("registration", address))

    async def may_write_to(self, email: str) -> bool:
        """Tell whether this mailbox may get one more letter: nobody's is filled by strangers.

        Without an error: those who asked before have their letters, and the page stays the same.
        """
        async with self._database.transaction() as session:
            return await _hit(session, _LETTERS_TO_ADDRESS, _key("letters-to", email)) is None

    async def _count(self, limit: Limit, key: str) -> None:
        async with self._database.transaction() as session:
            refusal = await _hit(session, limit, key)
        if refusal is not None:
            raise refusal


async def _attempt(
    session: AsyncSession,
    kind: str,
    *,
    account: str,
    address: str,
    device: str | None,
    by_address: Limit,
) -> Throttled | None:
    """Count the attempt and return None, or return why it may not be made.

    Rows are locked in one order, so that no two of these ever wait for each other.
    """
    now = utc_now()
    if refusal := await _hit(session, by_address, _key(f"{kind}-address", address)):
        return refusal
    if device is None and (
        until := await _reached(session, _failures_of(kind), _account_key(kind, account), now)
    ):
        return _throttled(until, now)
    failures, pause = _keys(kind, account, device or address)
    if until := await _reached(session, Limit(1, _HOUR), pause, now):
        # Not counted: impatience must not make the wait longer.
        return _throttled(until, now)
    await enter(session, presented=failures)
    number = await count_in_a_row(session, digest=failures, silence=_HOUR, now=now)
    if number <= _FREE_ATTEMPTS:
        return None
    seconds = min(2 ** min(number - _FREE_ATTEMPTS, 16), _LONGEST_SECONDS)
    # Of attempts that arrive together, one gets through; the others find its pause.
    return await _hit(session, Limit(1, timedelta(seconds=seconds)), pause)


async def _hit(session: AsyncSession, limit: Limit, key: str) -> Throttled | None:
    now = utc_now()
    await enter(session, presented=key)
    if await count_within(session, digest=key, limit=limit, now=now) is not None:
        return None
    until = await reached_until(session, digest=key, count=limit.count, now=now)
    return _throttled(until or now, now)


async def _reached(session: AsyncSession, limit: Limit, key: str, now: datetime) -> datetime | None:
    await enter(session, presented=key)
    return await reached_until(session, digest=key, count=limit.count, now=now)


def _throttled(until: datetime, now: datetime) -> Throttled:
    seconds = max(1, int((until - now).total_seconds()) + 1)
    return Throttled(TOO_FAST, retry_after_seconds=seconds)


def _keys(kind: str, account: str, caller: str) -> tuple[str, str]:
    pair = digest_of(f"{account}\n{caller}")
    return _key(f"{kind}-failures", pair), _key(f"{kind}-pause", pair)


def _failures_of(kind: str) -> Limit:
    return _WRONG_CODES if kind == "code" else _FAILURES_OF_ACCOUNT


def _account_key(kind: str, account: str) -> str:
    return _key(f"{kind}-account", account)


def _key(kind: str, whose: str) -> str:
    return digest_of(f"{kind}\n{whose}")
