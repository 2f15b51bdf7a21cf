"""A scheduled job was added or changed."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.packages import is_of_package_manager
from hub.detections.rules.programs import looks_like_download
from hub.severity import Severity


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    subject = event.path or (f"crontab of {event.user}" if event.user else None)
    if not subject or is_of_package_manager(event):
        return None
    is_download = looks_like_download(event.command or event.details.get("added", ""))
    severity = Severity.HIGH if is_download else None
    return Sighting(subject, severity, user=event.user, process=event.process)


def _title(seen: Seen) -> str:
    return f"Scheduled job {seen.subject} was added or changed"


RULE = Rule(
    kind=RuleKind.CRON_PERSISTENCE,
    guidance=Guidance(
        "Scheduled job added or changed",
        ("T1053.003",),
        Severity.MEDIUM,
        (
            "Read the job: `crontab -l -u USER`, `/etc/cron.*` and `systemctl list-timers`.",
            "Check what it runs and from where; a path under /tmp or a download is suspicious.",
            "Ask the host's owner whether a deployment added it.",
        ),
    ),
    meaning=("What a scheduled job starts comes back after every reboot and every clean-up."),
    reads=frozenset({EventKind.CRON_CHANGED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
