"""Moments as other tools write them: nine digits of a second, offsets without a colon, epochs."""

import re
from datetime import UTC, datetime

_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")
_SHORT_OFFSET = re.compile(r"([+-]\d{2})(\d{2})$")
_FIRST, _LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)
# Which unit a number of seconds since 1970 is written in shows from its size.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e8, 1.0))


def instant_of(told: object) -> datetime | None:
    """Return the moment that the text names; None without an offset, or when it is none."""
    if not isinstance(told, str) or len(told) > 64:  # noqa: PLR2004 - no instant is so long
        return None
    text = _SHORT_OFFSET.sub(r"\1:\2", _LONG_FRACTION.sub(r"\1", told.strip()))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _bounded(instant) if instant.tzinfo is not None else None


def instant_of_number(told: object) -> datetime | None:
    """Return the moment so many seconds, milli-, micro- or nanoseconds after 1970."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    for least, unit in _UNITS:
        if told >= least:
            try:
                return _bounded(datetime.fromtimestamp(told / unit, UTC))
            except (OverflowError, ValueError, OSError):
                return None
    return None


def _bounded(instant: datetime) -> datetime | None:
    try:
        moment = instant.astimezone(UTC)
    except OverflowError:
        return None
    return moment if _FIRST <= moment <= _LAST else None
