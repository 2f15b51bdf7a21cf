"""Time: the one place that reads the clock, and the one parser of `since` and `until`."""

import re
from datetime import UTC, datetime, timedelta

from hub.errors import InvalidInput

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d{1,6})([smhdw])")
MAX_LOOKBACK = timedelta(days=400)


def utc_now() -> datetime:
    """Return the current time; naive timestamps never enter the hub."""
    return datetime.now(UTC)


def parse_instant(text: str, *, now: datetime, field: str) -> datetime:
    """Return the instant that `text` names: a duration back from now, or an RFC 3339 instant.

    Durations are one number and one unit: `90s`, `30m`, `24h`, `7d`, `2w`. Instants need an offset
    (`2026-11-03T08:00:00Z`), because a local time would mean another moment to every reader.
    """
    cleaned = text.strip()
    if match := _DURATION.fullmatch(cleaned.lower()):
        back = timedelta(**{_UNITS[match[2]]: int(match[1])})
        return now - min(back, MAX_LOOKBACK)
    try:
        instant = datetime.fromisoformat(cleaned)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidInput(
            f"`{field}` must be a duration such as 24h, 7d or 30d, or an RFC 3339 instant"
            " such as 2026-11-03T08:00:00Z.",
            field=field,
        )
    return instant.astimezone(UTC)


def hour_of(at: datetime) -> datetime:
    """Return the start of the hour, in UTC: hours of the hub are the same for everybody."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
