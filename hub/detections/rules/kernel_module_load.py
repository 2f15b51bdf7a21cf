"""A module was loaded into the kernel."""

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.severity import Severity

# Folders into which packages and DKMS put modules, below /lib/modules/RELEASE/.
_PACKAGED = ("/kernel/", "/updates/", "/extra/", "/weak-updates/")
_LOADERS = frozenset({"insmod", "kmod", "modprobe"})
_ROOTKITS = frozenset(
    {"adore", "diamorphine", "kbeast", "knark", "lkm_backdoor", "reptile", "rkit", "suterusu"}
)


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    name = _module(event)
    if not name:
        return None
    if name.lower() in _ROOTKITS:
        return Sighting(name, Severity.CRITICAL, user=event.user, process=name)
    if _is_packaged(event):
        return None
    return Sighting(name, user=event.user, process=name)


def _module(event: SecurityEvent) -> str:
    """Return the module's name; who only saw what loaded it tells its command line."""
    module = event.process or event.path or ""
    if module in _LOADERS:
        words = (event.command or "").split()[1:]
        module = next((word for word in words if not word.startswith("-")), module)
    return module.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _is_packaged(event: SecurityEvent) -> bool:
    """Tell whether it is signed, or lies where only packages put modules."""
    if event.details.get("signed") == "yes" or event.details.get("in_tree") == "yes":
        return True
    path = event.path or ""
    return "/lib/modules/" in path and any(folder in path for folder in _PACKAGED)


def _title(seen: Seen) -> str:
    return f"Kernel module {seen.subject} was loaded"


RULE = Rule(
    kind=RuleKind.KERNEL_MODULE_LOAD,
    guidance=Guidance(
        "Kernel module loaded",
        ("T1547.006",),
        Severity.HIGH,
        (
            "Identify it: `modinfo MODULE`; is it signed and part of a package?",
            "Read `dmesg` around that time; look for a tainted kernel.",
            "Ask whether a driver or a monitoring product was installed.",
        ),
    ),
    meaning=("A kernel module can hide files, processes and itself from every tool on the host."),
    reads=frozenset({EventKind.KERNEL_MODULE_LOADED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
