"""For how long a metadata document may be used without reading it again (RFC 9111, bounded)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# The draft lets a server set bounds. The lower one keeps one sign-in on one document, whatever its
# host says; the upper one makes a changed redirect known within a day.
SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(hours=24)
_UNSAID = timedelta(hours=1)
# For how long an outdated copy serves while the host cannot be reached (compare RFC 5861 §4).
STALE_GRACE = timedelta(days=7)

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})")
_NEVER = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])")


def fresh_for(headers: Mapping[str, str], *, now: datetime) -> timedelta:
    """Return how long a document with these headers stays fresh."""
    return max(SHORTEST, min(LONGEST, _said(headers, now)))


def _said(headers: Mapping[str, str], now: datetime) -> timedelta:
    cache_control = headers.get("cache-control", "").lower()
    if _NEVER.search(cache_control):
        return timedelta(0)
    if match := _MAX_AGE.search(cache_control):
        age = headers.get("age", "")
        spent = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0  # noqa: PLR2004
        return timedelta(seconds=int(match[1]) - spent)
    if "expires" in headers:
        expires = _date(headers["expires"])
        # A date that cannot be read has passed (RFC 9111 §5.3).
        return expires - (_date(headers.get("date", "")) or now) if expires else timedelta(0)
    return _UNSAID


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
