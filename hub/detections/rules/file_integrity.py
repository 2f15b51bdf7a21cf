"""A watched file changed."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.packages import is_of_package_manager
from hub.severity import Severity

# What decides who may come in, and as whom.
_GATES = ("/etc/passwd", "/etc/shadow", "/etc/pam.d/", "/etc/ssh/sshd_config", "/etc/nsswitch.conf")
_BINARIES = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/security/", "/lib/security/")


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    path = event.path
    if not path or is_of_package_manager(event):
        return None
    if event.details.get("before") and event.details.get("before") == event.sha256:
        return None  # touched, and yet the same
    severity = Severity.HIGH if path.startswith((*_GATES, *_BINARIES)) else None
    return Sighting(path, severity, user=event.user, process=event.process)


def _title(seen: Seen) -> str:
    return f"{seen.subject} changed"


RULE = Rule(
    kind=RuleKind.FILE_INTEGRITY,
    guidance=Guidance(
        "Watched file changed",
        ("T1565.001",),
        Severity.MEDIUM,
        (
            "Compare the file with the backup or with configuration management.",
            "Find who changed it: `ausearch -f FILE`, or who was signed in at that time.",
            "Ask whether a change was planned.",
        ),
    ),
    meaning=(
        "The file is watched because it decides how the host behaves, and it is not as it was."
    ),
    reads=frozenset({EventKind.FILE_CHANGED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
