"""A file that nobody has a reason to open was opened."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.severity import Severity

# They look at every file there is, and see nothing in it.
_READERS_OF_EVERYTHING = frozenset(
    {
        "aide",
        "baloo_file",
        "bacula-fd",
        "borg",
        "clamd",
        "clamscan",
        "duplicity",
        "freshclam",
        "mlocate",
        "plocate",
        "restic",
        "rsnapshot",
        "tracker-miner-f",
        "tripwire",
        "updatedb",
        "updatedb.mlocat",
        "updatedb.plocat",
    }
)


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    if not event.path or event.process in _READERS_OF_EVERYTHING:
        return None
    return Sighting(event.path, user=event.user, process=event.process)


def _title(seen: Seen) -> str:
    return f"Canary file {seen.subject} was opened"


RULE = Rule(
    kind=RuleKind.HONEYPOT_CANARY,
    guidance=Guidance(
        "Canary file was read",
        ("T1083", "T1552.001"),
        Severity.HIGH,
        (
            "Nobody has a reason to read it: find the process and account in the audit log.",
            "Rule out backup, indexing and antivirus jobs that read everything.",
            "See what else this account read or copied in the same hour.",
        ),
    ),
    meaning=(
        "The file was laid out for intruders: nobody works with it, so whoever opens it is"
        " looking around."
    ),
    reads=frozenset({EventKind.HONEYPOT_TOUCHED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
