"""Who may report: a request is let in when a pinned key signed it, just now and not too often."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput, Unauthenticated
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
from hub.ingest.pace import Pace
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
        self._pace = Pace(
            settings.rate_limit_storage_url,
            requests_per_minute=settings.agent_requests_per_minute,
        )

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
        await self._pace.count(seal.key_digest)
        return Sealed(key, seal, wire)


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
