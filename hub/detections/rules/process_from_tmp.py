"""A program ran from a folder that everybody may write to."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.packages import is_of_package_manager
from hub.detections.rules.programs import is_in_temporary_folder, is_installer_at_work
from hub.severity import Severity


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    path = event.path or ""
    if not is_in_temporary_folder(path):
        return None
    if is_of_package_manager(event) or is_installer_at_work(event):
        return None
    # Deleted while it runs: nobody but an intruder has a use for that.
    is_hidden = path.endswith(" (deleted)") or path.startswith(("/memfd:", "memfd:"))
    subject = path.removesuffix(" (deleted)")
    severity = Severity.CRITICAL if is_hidden else None
    return Sighting(subject, severity, user=event.user, process=event.process)


def _title(seen: Seen) -> str:
    return f"A program ran from {seen.subject}"


RULE = Rule(
    kind=RuleKind.PROCESS_FROM_TMP,
    guidance=Guidance(
        "Program ran from a temporary folder",
        ("T1059.004", "T1036"),
        Severity.HIGH,
        (
            "Look at the program and its parent: `ls -l /proc/PID/exe`, `ps -o ppid,cmd PID`.",
            "Keep a copy and its SHA-256 before it deletes itself.",
            "Rule out installers and build jobs that unpack there.",
        ),
    ),
    meaning=(
        "Programs are installed elsewhere; what runs from a temporary folder was mostly just"
        " put there."
    ),
    reads=frozenset({EventKind.PROCESS_STARTED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
