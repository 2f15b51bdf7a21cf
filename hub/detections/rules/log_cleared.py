"""A log lost lines without having been rotated."""

import re

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.severity import Severity

_ROTATORS = frozenset({"logrotate", "newsyslog", "savelog", "systemd-journald", "cronolog"})
_ROTATED = re.compile(r"(?:\.\d+|-\d{8}(?:-?\d+)?)(?:\.(?:gz|xz|bz2|zst|lz4))?$")


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    path = event.path
    if not path or event.process in _ROTATORS or event.details.get("rotated") == "yes":
        return None
    if _ROTATED.search(path):  # what was put aside is deleted in its time
        return None
    return Sighting(path, user=event.user, process=event.process)


def _title(seen: Seen) -> str:
    return f"{seen.subject} lost lines"


RULE = Rule(
    kind=RuleKind.LOG_CLEARED,
    guidance=Guidance(
        "Log was cleared",
        ("T1070.002", "T1070.003"),
        Severity.HIGH,
        (
            "Rule out log rotation: `/etc/logrotate.d` and its last run.",
            "Read what the central log server kept of that time.",
            "See who was signed in: `last -F`, `journalctl _COMM=sudo`.",
        ),
    ),
    meaning=(
        "Lines that had been written are gone, and log rotation did not take them: traces were"
        " removed."
    ),
    reads=frozenset({EventKind.LOG_SHRUNK}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
