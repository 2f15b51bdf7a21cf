"""A running program is not the file that was known."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.packages import is_of_package_manager
from hub.severity import Severity


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    path = event.path
    # An update replaces programs while they run, and says so by its package.
    if not path or is_of_package_manager(event):
        return None
    return Sighting(path, user=event.user, process=event.process or path.rpartition("/")[2])


def _title(seen: Seen) -> str:
    return f"{seen.subject} is not the program it was"


RULE = Rule(
    kind=RuleKind.BINARY_HASH_MISMATCH,
    guidance=Guidance(
        "Program differs from its package",
        ("T1554", "T1036.005"),
        Severity.HIGH,
        (
            "Verify the file against its package: `dpkg -V` or `rpm -V`.",
            "Look for an update at that time in `/var/log/dpkg.log` or `dnf history`.",
            "Keep a copy and its SHA-256 before anything is reinstalled.",
        ),
    ),
    meaning=(
        "The program's content differs from what was known, and no package update explains it."
    ),
    reads=frozenset({EventKind.BINARY_CHANGED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
