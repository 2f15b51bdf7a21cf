"""An account was granted sudo, or used it for the first time."""

from dataclasses import dataclass

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import (
    DAY,
    Guidance,
    Rule,
    RuleSettings,
    Seen,
    Sighting,
    learning,
    window,
)
from hub.detections.rules.packages import is_of_package_manager
from hub.severity import Severity


@dataclass(frozen=True, slots=True)
class Settings(RuleSettings):
    """Numbers of this rule. Who runs a host uses sudo on it within a day."""

    window_seconds: int = window(DAY)
    learning_hours: int = learning(24)


def _sight(event: SecurityEvent, _settings: Settings) -> Sighting | None:
    if event.kind is EventKind.SUDO_COMMAND:
        if not event.user or event.user == "root":  # root needs nobody's leave
            return None
        return Sighting(
            event.user, Severity.MEDIUM, user=event.user, process=event.process, only_if_new=True
        )
    if is_of_package_manager(event):
        return None
    subject = event.user or event.path
    return Sighting(subject, user=event.user, process=event.process) if subject else None


def _title(seen: Seen) -> str:
    return f"{seen.subject} gained sudo rights" if seen.user else f"{seen.subject} changed"


RULE = Rule(
    kind=RuleKind.NEW_SUDO_USER,
    guidance=Guidance(
        "Account gained sudo rights",
        ("T1548.003", "T1098"),
        Severity.HIGH,
        (
            "Read `/etc/sudoers`, `/etc/sudoers.d` and `getent group sudo wheel`.",
            "Find who granted it: `journalctl _COMM=sudo` and the audit log.",
            "Ask whether there is a request or ticket for it.",
            "See what the account ran as root since then.",
        ),
    ),
    meaning=(
        "Whoever may use sudo can do anything on the host. The rights were granted, or used by"
        " this account for the first time."
    ),
    reads=frozenset({EventKind.SUDO_COMMAND, EventKind.SUDOERS_CHANGED}),
    settings=Settings,
    sight=_sight,
    title=_title,
)
