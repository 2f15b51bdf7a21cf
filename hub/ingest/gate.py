"""Who may report: a request is let in when a pinned key signed it, just now and not too often."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string

from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput, Throttled, Unauthenticated
from hub.fleet.signatures import (
    KEY_HEADER,
    MAX_CLOCK_SKEW,
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Seal,
    is_signed_by,
    read_seal,
)
from hub.ingest.trusted_keys import CHALLENGE, TrustedKey, TrustedKeys
from hub.settings import Settings

_SEAL_HEADERS = (KEY_HEADER, SEQUENCE_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A request whose signature is genuine; whether its sequence is new is not known yet."""

    key: TrustedKey
    seal: Seal
    wire: bytes


class Gate:
    """Checks seals; one for the process's life."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.keys = TrustedKeys(database)
        storage = storage_from_string(f"async+{settings.rate_limit_storage_url}")
        self._strategy = FixedWindowRateLimiter(storage)
        self._limit = RateLimitItemPerMinute(settings.agent_requests_per_minute)

    async def admit(
        self, headers: Mapping[str, str], *, path: str, read: Callable[[], Awaitable[bytes]]
    ) -> Sealed:
        """Return the request that these headers seal; refuse any other, saying why.

        The body is read only when its key is trusted: strangers cannot make the hub hold theirs.
        """
        seal = _seal_of(headers)
        _check_clock(seal)
        key = await self.keys.find(seal.key_digest)
        wire = await read()
        if not is_signed_by(key.public_key, seal, method="POST", path=path, body=wire):
            raise Unauthenticated(
                "The signature does not fit: it covers the method, the path, the key, the sequence,"
                f" the timestamp and the body as it is sent, here POST {path}.",
                field=SIGNATURE_HEADER,
                headers=CHALLENGE,
            )
        # Counted last, so that nobody else can use up what a host may send.
        await self._count(seal.key_digest)
        return Sealed(key, seal, wire)

    async def _count(self, digest: str) -> None:
        if await self._strategy.hit(self._limit, "ingest", digest):
            return
        raise Throttled(
            f"A host may send {self._limit.amount} requests a minute; the interval is 15 seconds."
            " Keep the report and send it later.",
            retry_after_seconds=self._limit.get_expiry(),
        )


def _seal_of(headers: Mapping[str, str]) -> Seal:
    values = [headers.get(name.lower(), "") for name in _SEAL_HEADERS]
    if not any(values):
        raise Unauthenticated(
            "What hosts send is signed, and this is not. Enrol the host with `monsys agent enroll`"
            " and a token from `monsys agent token`; its agent signs then.",
            headers=CHALLENGE,
        )
    try:
        return read_seal(*values)
    except ValueError as error:
        header = str(error)
        raise InvalidInput(f"The header {header} is missing or malformed.", field=header) from error


def _check_clock(seal: Seal) -> None:
    now = utc_now()
    seconds = seal.sent_at - int(now.timestamp())
    if abs(seconds) <= MAX_CLOCK_SKEW.total_seconds():
        return
    side = "ahead of" if seconds > 0 else "behind"
    raise InvalidInput(
        f"The host's clock is {abs(seconds)} seconds {side} the hub's, which says"
        f" {now:%Y-%m-%dT%H:%M:%SZ}. More than {MAX_CLOCK_SKEW.seconds} seconds are refused; set"
        " the host's clock (NTP).",
        field=TIMESTAMP_HEADER,
    )
