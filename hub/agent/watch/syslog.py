"""Takes a line of a syslog file apart: when, which program, what it said."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) ")
_CLASSIC = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) ")
_PRIORITY = re.compile(r"<\d{1,3}>(?:\d )?")
_PROGRAM = re.compile(r"(?:\S+ )?([\w./()@-]{1,64}?)(?:\[(\d{1,10})\])?: ?(.*)", re.DOTALL)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One message of one program."""

    at: datetime
    program: str  # sshd, sudo…; without its folder
    pid: int | None
    message: str
    raw: str
    position: str
    run_by: frozenset[int] = frozenset()  # whose program it was: the journal knows, if not root's


def parse_line(line: str, *, now: datetime, position: str) -> LogRecord | None:
    """Return the record, or None for what is no line of a syslog file."""
    text = _PRIORITY.sub("", line, count=1) if line.startswith("<") else line
    stamped = _stamp(text, now)
    if stamped is None:
        return None
    at, rest = stamped
    match = _PROGRAM.fullmatch(rest)
    if match is None:
        return None
    program, pid, message = match.groups()
    return LogRecord(
        at=at,
        program=program.rpartition("/")[2],
        pid=int(pid) if pid else None,
        message=message,
        raw=line,
        position=position,
    )


def _stamp(text: str, now: datetime) -> tuple[datetime, str] | None:
    if match := _RFC_3339.match(text):
        try:
            at = datetime.fromisoformat(match[1].replace(",", ".")).astimezone(UTC)
        except (ValueError, OverflowError):  # at the ends of the calendar another zone has no date
            return None
        return at, text[match.end() :]
    if match := _CLASSIC.match(text):
        at_or_none = _classic(match, now)
        return None if at_or_none is None else (at_or_none, text[match.end() :])
    return None


def _classic(match: re.Match[str], now: datetime) -> datetime | None:
    """Return when `Nov  3 08:00:00` was: in the host's own zone, in the newest year that fits.

    The stamp names no year, and a log that is read in January still holds December.
    """
    month = _MONTHS.get(match[1])
    if month is None:
        return None
    day, hour, minute, second = (int(text) for text in match.groups()[1:])
    local_now = now.astimezone()
    for year in (local_now.year + 1, local_now.year, local_now.year - 1):
        try:
            naive = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - local
        except ValueError:  # 29 February of a year without one
            continue
        at = naive.astimezone(UTC)
        if at <= now + timedelta(days=1):
            return at
    return None
