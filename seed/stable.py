"""The same seed and the same `now` give the same data: ids, noise and rounded times."""

import math
import zlib
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "https://seed.monsys.example.com")
_BUCKET = timedelta(minutes=5)


def stable_id(*parts: object) -> UUID:
    """Return the id that these words always have."""
    return uuid5(_NAMESPACE, "/".join(str(part) for part in parts))


def rounded(now: datetime) -> datetime:
    """Return the start of the running five minutes, UTC: the grid on which histories lie."""
    return now.astimezone(UTC) - (now.astimezone(UTC) - datetime.min.replace(tzinfo=UTC)) % _BUCKET


def midnight(now: datetime) -> datetime:
    """Return the start of the day, UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def noise(name: str, at: datetime) -> float:
    """Return a number from -1 to 1 that looks random and never changes.

    A checksum, not a generator: a sample's value must not depend on which others were asked for.
    """
    word = f"{name}@{int(at.timestamp())}".encode()
    return zlib.crc32(word) / 0x7FFFFFFF - 1.0


def daily_wave(at: datetime, *, peak_hour: float) -> float:
    """Return 0 at night to 1 at the busiest hour; weekends are half as busy."""
    hour = at.hour + at.minute / 60
    wave = 0.5 + 0.5 * math.cos((hour - peak_hour) / 24 * 2 * math.pi)
    is_weekend = at.weekday() >= 5  # noqa: PLR2004 - Saturday
    return wave * (0.5 if is_weekend else 1.0)
