"""What sudo, su, useradd and PAM say about accounts.

Anybody may log in the name of these programs (`logger -t sudo`), and lines may be 16 KB long: each
is read in time that grows with its length, never with its square.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from hub.agent.watch.observed import ObservedEvent, ip_address
from hub.agent.watch.syslog import LogRecord
from hub.detections.events import EventKind

FIRST_PERSON_UID = 1_000
ADMIN_GROUPS = frozenset({"sudo", "wheel", "admin"})
_SUDO = re.compile(r"\s*(?P<user>[^\s:]{1,64}) : (?P<fields>.*)", re.DOTALL)
_SUDO_REFUSAL = re.compile(r"[^;=]{1,200}")
_ATTEMPTS = re.compile(r"(\d{1,3}) incorrect password attempts?")
_SU = re.compile(
    r"(?P<failed>FAILED SU )?\(to (?P<user>[^)]{1,64})\) (?P<by>\S+) on \S+"
    r"|(?P<outcome>Successful|FAILED) su for (?P<old_user>\S+) by (?P<old_by>\S+)"
)
_PAM_FAILURE = re.compile(
    r"pam_\w+\((?P<service>[\w.-]+):auth\): authentication failure;.*?"
    r"\srhost=(?P<address>\S*+)(?:\s++user=(?P<user>\S++))?+\s*+"
)
_NEW_USER = re.compile(r"new user: name=(?P<user>[^,\s]+), UID=(?P<uid>\d{1,10}),.*")
_TO_GROUP = re.compile(
    r"add '(?P<user>[^']+)' to group '(?P<group>[^']+)'"
    r"|(?:user|member) (?P<by_gpasswd>\S+) added by \S+ to group (?P<gpasswd_group>\S+)"
)
# These say themselves what PAM says about them.
_TOLD_ELSEWHERE = frozenset({"sshd", "sudo", "sudo-i", "su", "su-l"})


def read_account_message(record: LogRecord) -> ObservedEvent | None:
    """Return what a program other than sshd says about an account, or None."""
    if record.program in {"sudo", "sudo-rs"} and (match := _SUDO.fullmatch(record.message)):
        return _sudo(record, match["user"], match["fields"])
    if record.program == "su" and (match := _SU.fullmatch(record.message)):
        return _su(record, match)
    if record.program in {"useradd", "adduser"} and (match := _NEW_USER.fullmatch(record.message)):
        # Of a system's account, /etc/passwd tells whether a package made it.
        is_person = int(match["uid"]) >= FIRST_PERSON_UID
        return user_added(record, match["user"], match["uid"]) if is_person else None
    if record.program in {"usermod", "gpasswd", "useradd", "adduser"}:
        return _to_group(record)
    if "authentication failure;" in record.message:
        return _pam(record)
    return None


def user_added(record: LogRecord, user: str, uid: str) -> ObservedEvent:
    """Return that an account was made. `/etc/passwd` tells it too, under the same key."""
    return ObservedEvent(
        kind=EventKind.USER_ADDED,
        at=record.at,
        summary=f"The account {user} was added",
        key=user_added_key(user, uid, record.at),
        user=user,
        process=record.program,
        path="/etc/passwd",
        raw=record.raw,
        details={"uid": uid},
    )


def user_added_key(user: str, uid: str, at: datetime) -> str:
    """Return what makes the adding of an account one event, whoever saw it."""
    return f"{user} {uid} {at.date()}"


def joined_key(user: str, group: str, at: datetime) -> str:
    """Return what makes a new membership one event, whoever saw it."""
    return f"{user} in {group} {at.date()}"


def _sudo(record: LogRecord, user: str, told: str) -> ObservedEvent | None:
    """Return what sudo did: fields that it sets apart by ` ; `, the command last."""
    before, mark, command = f" ; {told}".partition(" ; COMMAND=")
    if not mark:
        return None
    fields = before.split(" ; ")[1:]
    refusal = fields[0] if fields and _SUDO_REFUSAL.fullmatch(fields[0]) else None
    found = {
        "run_as": _last(fields, "USER="),  # a folder may be called ` ; USER=`, too: it comes before
        "tty": _last(fields[:3], "TTY="),
        "reason": refusal,
    }
    details = {name: value for name, value in found.items() if value}
    if refusal is None:
        summary, kind, count = f"{user} ran a command through sudo", EventKind.SUDO_COMMAND, 1
    else:
        attempts = _ATTEMPTS.fullmatch(refusal)
        summary, kind = f"sudo refused {user}: {refusal}", EventKind.AUTH_FAILURE
        count = max(1, int(attempts[1])) if attempts else 1
        details["service"] = "sudo"
    return ObservedEvent(
        kind=kind,
        at=record.at,
        summary=summary,
        user=user,
        process="sudo",
        command=command,
        count=count,
        raw=record.raw,
        details=details,
    )


def _last(fields: Sequence[str], name: str) -> str | None:
    """Return the value of the last field of this name."""
    values = [field.removeprefix(name) for field in fields if field.startswith(name)]
    return values[-1] if values else None


def _su(record: LogRecord, match: re.Match[str]) -> ObservedEvent:
    user, by = match["user"] or match["old_user"], match["by"] or match["old_by"]
    is_refused = bool(match["failed"]) or match["outcome"] == "FAILED"
    return ObservedEvent(
        kind=EventKind.AUTH_FAILURE if is_refused else EventKind.AUTH_SUCCESS,
        at=record.at,
        summary=f"{by} {'was refused to become' if is_refused else 'became'} {user} through su",
        user=user,
        process="su",
        raw=record.raw,
        details={"service": "su", "by": by},
    )


def _to_group(record: LogRecord) -> ObservedEvent | None:
    match = _TO_GROUP.fullmatch(record.message)
    if match is None:
        return None
    group = match["group"] or match["gpasswd_group"]
    user = match["user"] or match["by_gpasswd"]
    if group not in ADMIN_GROUPS:
        return None
    return ObservedEvent(
        kind=EventKind.SUDOERS_CHANGED,
        at=record.at,
        summary=f"{user} became a member of {group}",
        key=joined_key(user, group, record.at),
        user=user,
        process=record.program,
        path="/etc/group",
        raw=record.raw,
        details={"group": group, "change": "granted"},
    )


def _pam(record: LogRecord) -> ObservedEvent | None:
    match = _PAM_FAILURE.fullmatch(record.message)
    if match is None or match["service"] in _TOLD_ELSEWHERE:
        return None
    user, address = match["user"], ip_address(match["address"])
    return ObservedEvent(
        kind=EventKind.AUTH_FAILURE,
        at=record.at,
        summary=f"{match['service']} refused {user or 'somebody'}",
        user=user,
        source_address=address,
        process=match["service"],
        raw=record.raw,
        details={"service": match["service"]},
    )
