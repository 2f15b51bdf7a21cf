"""An account was created."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.packages import is_of_package_manager
from hub.severity import Severity

_PROGRAMS = frozenset({"adduser", "useradd"})


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    # A package that makes the account of its service is not somebody who makes one.
    user = _account(event)
    if not user or is_of_package_manager(event):
        return None
    return Sighting(user, user=user, process=event.process)


def _account(event: SecurityEvent) -> str | None:
    """Return who was added; who only saw the program that adds tells its command line."""
    words = (event.command or "").split()
    if words and words[0].rpartition("/")[2] in _PROGRAMS:
        return words[-1][:64] if len(words) > 1 else None
    return event.user


def _title(seen: Seen) -> str:
    return f"Account {seen.subject} was created"


RULE = Rule(
    kind=RuleKind.NEW_USER,
    guidance=Guidance(
        "Account created",
        ("T1136.001",),
        Severity.MEDIUM,
        (
            "Look at the account: `getent passwd USER`, its groups, shell and home.",
            "Find who created it: `journalctl _COMM=useradd`.",
            "Ask whether a package or an onboarding made it.",
        ),
    ),
    meaning=("A new account can be a colleague, a service, or a way to come back."),
    reads=frozenset({EventKind.USER_ADDED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
