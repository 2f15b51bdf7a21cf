"""Which keys open an account changed."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.severity import Severity


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    # An editor that wrote the same keys again changed nothing.
    if event.details.get("before") and event.details.get("before") == event.sha256:
        return None
    subject = event.path or event.user
    return Sighting(subject, user=event.user, process=event.process) if subject else None


def _title(seen: Seen) -> str:
    return f"SSH keys of {seen.user} changed" if seen.user else f"{seen.subject} changed"


RULE = Rule(
    kind=RuleKind.AUTHORIZED_KEYS_CHANGE,
    guidance=Guidance(
        "SSH authorized keys changed",
        ("T1098.004",),
        Severity.HIGH,
        (
            "List its keys with `ssh-keygen -lf ~/.ssh/authorized_keys`; ask whose each one is.",
            "Find who was signed in at that time: `last -F` and `journalctl -u ssh`.",
            "Compare with configuration management: was a key rolled out then?",
        ),
    ),
    meaning=(
        "A key in this file opens the account without a password, for as long as nobody looks."
    ),
    reads=frozenset({EventKind.AUTHORIZED_KEYS_CHANGED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
