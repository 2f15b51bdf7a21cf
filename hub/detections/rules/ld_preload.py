"""A library is put before all others, for one program or for every one."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.packages import is_of_package_manager
from hub.detections.rules.programs import is_in_temporary_folder
from hub.severity import Severity

_FOR_ALL = "/etc/ld.so.preload"
# Allocators and time zones of containers, as their makers tell people to load them.
_USUAL = (
    "libjemalloc",
    "libtcmalloc",
    "libmimalloc",
    "libeatmydata",
    "libfaketime",
    "libgtk3-nocsd",
)


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    library = event.details.get("library") or event.path or ""
    subject = event.path or event.process
    if not subject or is_of_package_manager(event):
        return None
    if subject == _FOR_ALL:
        severity: Severity | None = Severity.CRITICAL
    elif library.rpartition("/")[2].startswith(_USUAL) and not is_in_temporary_folder(library):
        return None
    else:
        severity = Severity.CRITICAL if is_in_temporary_folder(library) else None
    return Sighting(subject, severity, user=event.user, process=event.process)


def _title(seen: Seen) -> str:
    return (
        f"{seen.process} runs with an injected library"
        if seen.process
        else f"{seen.subject} injects a library"
    )


RULE = Rule(
    kind=RuleKind.LD_PRELOAD,
    guidance=Guidance(
        "Library injected into programs",
        ("T1574.006",),
        Severity.HIGH,
        (
            "Read `/etc/ld.so.preload` and the LD_PRELOAD of the service's environment.",
            "See which package owns the library: `dpkg -S` or `rpm -qf`; none is suspicious.",
            "Do not trust the host's own tools until this is settled: they may be hooked.",
        ),
    ),
    meaning=("Such a library runs inside other programs and can change what they do and show."),
    reads=frozenset({EventKind.PRELOAD_CHANGED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
