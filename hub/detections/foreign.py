"""What the rules of Wazuh say, in the hub's own terms; `falco_alerts` is about those of Falco.

An alert of theirs is translated to events, and our rules look at those as at any other. One that
means nothing here (`rules_that_see` finds none) is still an alert, and the caller keeps it as one.
"""

from collections.abc import Collection

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rules import RULES, RULES_BY_EVENT

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
