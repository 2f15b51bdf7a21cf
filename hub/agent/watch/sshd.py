"""What sshd says about logins, in the words of OpenSSH 7 to 10.

One attempt is several lines (`Invalid user`, PAM, `Failed password`, `Connection closed`);
`Attempts` keeps by the process's id which of them were counted, so that each counts once.

A user's name is whatever the client sent, blanks and `from 192.0.2.1 port 22` included: names are
matched greedily up to the last address of the line, which sshd itself wrote.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from hub.agent.watch.observed import ObservedEvent, ip_address
from hub.agent.watch.syslog import LogRecord
from hub.detections.events import EventKind

PROGRAMS = frozenset({"sshd", "sshd-session", "sshd-auth"})
_FROM = r"from (?P<address>\S+)(?: port (?P<port>\d+))?"
_PREAUTH = r"(?P<address>\S+) port (?P<port>\d+)(?:: .*)?(?: \[preauth\])?"
_FAILED = re.compile(
    rf"Failed (?P<method>\S+) for (?P<invalid>(?:invalid|illegal) user )?(?P<user>.*) {_FROM}"
    r"(?: ssh2?)?(?:: .*)?",
    re.DOTALL,
)
_INVALID = re.compile(rf"(?:Invalid|Illegal) user (?P<user>.*) {_FROM}", re.DOTALL)
_PAM = re.compile(
    rf"error: PAM: .{{1,80}}? for (?P<invalid>illegal user )?(?P<user>.*) {_FROM}(?: via .*)?",
    re.DOTALL,
)
_FORBIDDEN = re.compile(
    r"User (?P<user>.*) from (?P<address>\S+) not allowed because (?P<reason>.*)", re.DOTALL
)
_GAVE_UP = re.compile(
    r"(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting)"
    rf" (?P<state>authenticating|invalid) user (?P<user>.*) {_PREAUTH}",
    re.DOTALL,
)
_TOO_MANY = re.compile(
    r"error: maximum authentication attempts exceeded for (?P<invalid>invalid user )?"
    rf"(?P<user>.*) {_FROM}(?: ssh2)?(?: \[preauth\])?",
    re.DOTALL,
)
_PENALISED = re.compile(
    r"drop connection #\d+ from \[(?P<address>[^\]]+)\]:(?P<port>\d+) on \S+"
    r" penalty: (?P<reason>failed authentication|exceeded LoginGraceTime.*)"
)
_ACCEPTED = re.compile(
    rf"Accepted (?P<method>\S+) for (?P<user>.*) {_FROM}(?: ssh2?)?(?:: (?P<key>.*))?", re.DOTALL
)
_REPEATED = re.compile(r"message repeated (\d{1,6}) times: \[ ?(.*)\]", re.DOTALL)
# A client offers its keys one after another, and asks with `none` which methods there are.
_NO_GUESSES = frozenset({"none", "publickey", "gssapi-with-mic", "hostbased"})
_MAX_KNOWN = 2_000
_COUNTED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Counted:
    """That an attempt of this process was told, and whether its next line is the same attempt."""

    at: float
    is_same_next: bool


class Attempts:
    """Which connections' attempts were counted already, by process id."""

    def __init__(self, known: dict[str, list[float]] | None = None) -> None:
        self._known = {
            pid: _Counted(at, is_same_next=bool(same)) for pid, (at, same) in (known or {}).items()
        }

    def note(self, record: LogRecord, *, is_same_next: bool) -> None:
        """Remember that an attempt on this connection was told."""
        if record.pid is not None:
            self._known.pop(str(record.pid), None)
            self._known[str(record.pid)] = _Counted(record.at.timestamp(), is_same_next)
            while len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def of(self, record: LogRecord) -> _Counted | None:
        """Return what was told of this connection lately; process ids are used again."""
        counted = self._known.get(str(record.pid))
        is_recent = (
            counted is not None and abs(record.at.timestamp() - counted.at) <= _COUNTED_SECONDS
        )
        return counted if is_recent else None

    def memory(self, now: datetime) -> dict[str, list[float]]:
        """Return what is worth remembering."""
        oldest = now.timestamp() - _COUNTED_SECONDS
        return {
            pid: [counted.at, float(counted.is_same_next)]
            for pid, counted in self._known.items()
            if counted.at >= oldest
        }


def read_sshd(record: LogRecord, attempts: Attempts) -> ObservedEvent | None:
    """Return what the message says about a login, or None."""
    message, count = record.message, 1
    if match := _REPEATED.fullmatch(message):
        count, message = int(match[1]), match[2]
    if match := _ACCEPTED.fullmatch(message):
        return _accepted(record, match)
    if match := _FAILED.fullmatch(message):
        return _failed(record, match, attempts, count)
    for pattern in (_INVALID, _PAM, _FORBIDDEN):
        if match := pattern.fullmatch(message):
            return _announced(record, match, attempts, count, is_unknown=pattern is _INVALID)
    for pattern in (_GAVE_UP, _TOO_MANY, _PENALISED):
        if match := pattern.fullmatch(message):
            return _ended(record, match, attempts)
    return None


def _announced(
    record: LogRecord,
    match: re.Match[str],
    attempts: Attempts,
    count: int,
    *,
    is_unknown: bool,
) -> ObservedEvent | None:
    """Tell an attempt by its first line; `Failed password` follows when it was one."""
    seen = attempts.of(record)
    if seen is not None and seen.is_same_next:
        return None
    attempts.note(record, is_same_next=True)
    return _failure(record, match, is_unknown=is_unknown, count=count)


def _ended(record: LogRecord, match: re.Match[str], attempts: Attempts) -> ObservedEvent | None:
    """Tell a connection that ended before anybody logged in, unless its attempts were told.

    A refused connection of a penalised address has no attempts of its own; it comes from the
    listening process, whose id says nothing.
    """
    found = match.groupdict()
    if "user" in found:
        if attempts.of(record) is not None:
            return None
        attempts.note(record, is_same_next=False)
    return _failure(record, match, is_unknown=found.get("state") == "invalid")


def _failed(
    record: LogRecord, match: re.Match[str], attempts: Attempts, count: int
) -> ObservedEvent | None:
    if match["method"].partition("/")[0] in _NO_GUESSES:
        return None
    seen = attempts.of(record)
    attempts.note(record, is_same_next=False)
    if seen is not None and seen.is_same_next:
        count -= 1  # told by the line before
    return (
        _failure(record, match, is_unknown=bool(match["invalid"]), count=count) if count else None
    )


def _failure(
    record: LogRecord, match: re.Match[str], *, is_unknown: bool, count: int = 1
) -> ObservedEvent:
    found = match.groupdict()
    user, address = found.get("user"), ip_address(found["address"])
    details = {"service": "sshd"}
    if method := found.get("method"):
        details["method"] = method
    if reason := found.get("reason"):
        details["reason"] = reason
    if is_unknown or found.get("invalid"):
        details["unknown_user"] = "yes"
    return ObservedEvent(
        kind=EventKind.AUTH_FAILURE,
        at=record.at,
        summary=f"SSH login of {user or 'somebody'} from {address or 'somewhere'} was refused",
        user=user or None,
        source_address=address,
        process="sshd",
        count=count,
        raw=record.raw,
        details=details,
    )


def _accepted(record: LogRecord, match: re.Match[str]) -> ObservedEvent:
    details = {"service": "sshd", "method": match["method"]}
    if key := match["key"]:
        details["key"] = key
    return ObservedEvent(
        kind=EventKind.AUTH_SUCCESS,
        at=record.at,
        summary=f"SSH login of {match['user']} from {match['address']} by {match['method']}",
        user=match["user"],
        source_address=match["address"],
        process="sshd",
        raw=record.raw,
        details=details,
    )
