"""What the rules of Falco and Wazuh say, in the hub's own terms.

An alert of theirs is translated to events, and our rules look at those as at any other. One that
means nothing here (`rules_that_see` finds none) is still an alert, and the caller keeps it as one.
"""

from collections.abc import Collection, Mapping
from typing import Any

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rules import RULES, RULES_BY_EVENT

# Names as in the rule files that Falco ships (stable, incubating and sandbox).
_FALCO_RULES = {
    "adding ssh keys to authorized_keys": EventKind.AUTHORIZED_KEYS_CHANGED,
    "clear log activities": EventKind.LOG_SHRUNK,
    "delete or rename shell history": EventKind.LOG_SHRUNK,
    "detect crypto miners using the stratum protocol": EventKind.PROCESS_STARTED,
    "detect outbound connections to common miner pool ports": EventKind.OUTBOUND_CONNECTION,
    "drop and execute new binary in container": EventKind.BINARY_CHANGED,
    "execution from /dev/shm": EventKind.PROCESS_STARTED,
    "execution from /tmp": EventKind.PROCESS_STARTED,
    "fileless execution via memfd_create": EventKind.PROCESS_STARTED,
    "linux kernel module injection detected": EventKind.KERNEL_MODULE_LOADED,
    "netcat remote code execution in container": EventKind.SHELL_ON_SOCKET,
    "netcat/socat remote code execution on host": EventKind.SHELL_ON_SOCKET,
    "read sensitive file trusted after startup": EventKind.HONEYPOT_TOUCHED,
    "read sensitive file untrusted": EventKind.HONEYPOT_TOUCHED,
    "redirect stdout/stdin to network connection in container": EventKind.SHELL_ON_SOCKET,
    "redirect stdout/stdin to network connection in host": EventKind.SHELL_ON_SOCKET,
    "schedule cron jobs": EventKind.CRON_CHANGED,
    "sudo potential privilege escalation": EventKind.SUDOERS_CHANGED,
    "write below binary dir": EventKind.FILE_CHANGED,
    "write below etc": EventKind.FILE_CHANGED,
    "write below monitored dir": EventKind.FILE_CHANGED,
    "write below root": EventKind.FILE_CHANGED,
    "write below rpm database": EventKind.FILE_CHANGED,
}
_MAKES_USERS = frozenset({"adduser", "useradd", "newusers"})
# A rule that its users renamed or wrote themselves still says by its tag what it is about.
_FALCO_TAGS = {
    "T1014": EventKind.KERNEL_MODULE_LOADED,
    "T1053.003": EventKind.CRON_CHANGED,
    "T1070.002": EventKind.LOG_SHRUNK,
    "T1070.003": EventKind.LOG_SHRUNK,
    "T1098.004": EventKind.AUTHORIZED_KEYS_CHANGED,
    "T1136.001": EventKind.USER_ADDED,
    "T1547.006": EventKind.KERNEL_MODULE_LOADED,
    "T1574.006": EventKind.PRELOAD_CHANGED,
}

_WAZUH_RULES = {
    533: EventKind.PORT_OPENED,
    550: EventKind.FILE_CHANGED,
    553: EventKind.FILE_CHANGED,
    554: EventKind.FILE_CHANGED,
    592: EventKind.LOG_SHRUNK,
    593: EventKind.LOG_SHRUNK,
    2502: EventKind.AUTH_FAILURE,
    5403: EventKind.SUDO_COMMAND,
    5404: EventKind.SUDO_COMMAND,
    5503: EventKind.AUTH_FAILURE,
    5551: EventKind.AUTH_FAILURE,
    5710: EventKind.AUTH_FAILURE,
    5712: EventKind.AUTH_FAILURE,
    5715: EventKind.AUTH_SUCCESS,
    5716: EventKind.AUTH_FAILURE,
    5720: EventKind.AUTH_FAILURE,
    5758: EventKind.AUTH_FAILURE,
    5760: EventKind.AUTH_FAILURE,
    5763: EventKind.AUTH_FAILURE,
    5901: EventKind.USER_ADDED,
    5902: EventKind.USER_ADDED,
    40111: EventKind.AUTH_FAILURE,
    40112: EventKind.AUTH_SUCCESS,
}
# Rules that their users wrote themselves are of these groups, and seldom of those numbers.
_WAZUH_GROUPS = {
    "adduser": EventKind.USER_ADDED,
    "authentication_failed": EventKind.AUTH_FAILURE,
    "authentication_failures": EventKind.AUTH_FAILURE,
    "authentication_success": EventKind.AUTH_SUCCESS,
    "syscheck": EventKind.FILE_CHANGED,
}
_CRON = ("/etc/cron", "/var/spool/cron", "/etc/anacrontab")


def falco_event_kind(
    rule: str, *, tags: Collection[str] = (), output_fields: Mapping[str, Any] | None = None
) -> EventKind | None:
    """Return what kind of thing a Falco alert tells, by its rule's name, else by its tags."""
    fields = output_fields or {}
    name = rule.strip().lower()
    path = fields.get("fd.name")
    if name == "user mgmt binaries":  # also those that change and remove accounts
        made = output_fields is None or fields.get("proc.name") in _MAKES_USERS
        return EventKind.USER_ADDED if made else None
    kind = _FALCO_RULES.get(name) or next(
        (_FALCO_TAGS[tag.upper()] for tag in sorted(tags) if tag.upper() in _FALCO_TAGS), None
    )
    if kind is EventKind.FILE_CHANGED and isinstance(path, str):
        return kind_of_path(path)
    return kind


def wazuh_event_kind(
    rule_id: str, *, groups: Collection[str] = (), path: str = ""
) -> EventKind | None:
    """Return what kind of thing a Wazuh alert tells, by its rule's id, else by its groups.

    `path` is that of its file integrity monitoring (`syscheck.path`).
    """
    kind = _WAZUH_RULES.get(int(rule_id)) if rule_id.isdecimal() and rule_id.isascii() else None
    if kind is None:
        kind = next((_WAZUH_GROUPS[one] for one in sorted(groups) if one in _WAZUH_GROUPS), None)
    return kind_of_path(path) if kind is EventKind.FILE_CHANGED and path else kind


def kind_of_path(path: str) -> EventKind:
    """Return what it means that a file changed, by where it is."""
    if path.endswith(("/authorized_keys", "/authorized_keys2")):
        return EventKind.AUTHORIZED_KEYS_CHANGED
    if path.startswith(_CRON):
        return EventKind.CRON_CHANGED
    if path == "/etc/sudoers" or path.startswith("/etc/sudoers.d/"):
        return EventKind.SUDOERS_CHANGED
    if path.startswith("/etc/ld.so.preload"):
        return EventKind.PRELOAD_CHANGED
    return EventKind.FILE_CHANGED


def rules_that_see(event: SecurityEvent) -> list[RuleKind]:
    """Return which rules, as they come, make something of the event.

    None: nothing else will ever be said about it, so whoever brings it keeps it in another way.
    """
    return [
        rule.kind
        for rule in RULES_BY_EVENT.get(event.kind, ())
        if RULES[rule.kind].sight(event, rule.settings()) is not None
    ]
