"""Something accepts connections where nothing did before."""

from dataclasses import dataclass

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import (
    Guidance,
    Rule,
    RuleSettings,
    Seen,
    Sighting,
    learning,
    threshold,
    window,
)
from hub.detections.rules.addresses import is_of_this_host
from hub.severity import Severity

_BACKDOORS = frozenset({1337, 4444, 5555, 6666, 12345, 31337, 54321})  # as tools open them


@dataclass(frozen=True, slots=True)
class Settings(RuleSettings):
    """Numbers of this rule. Agents tell what changed, so an hour is enough to know a host."""

    window_seconds: int = window(86_400)
    learning_hours: int = learning(1)
    passing_ports_from: int = threshold(
        32_768,
        low=1024,
        high=65_536,
        unit="port",
        meaning="UDP ports from here on are those of answers that are waited for, not of services.",
    )


def _sight(event: SecurityEvent, settings: Settings) -> Sighting | None:
    if event.port is None or is_of_this_host(event.details.get("address") or event.source_address):
        return None
    protocol = event.protocol or "tcp"
    if protocol == "udp" and event.port >= settings.passing_ports_from:
        return None
    severity = Severity.HIGH if event.port in _BACKDOORS else None
    subject = f"{protocol}/{event.port}"
    return Sighting(subject, severity, user=event.user, process=event.process, only_if_new=True)


def _title(seen: Seen) -> str:
    return (
        f"{seen.process} listens on {seen.subject}"
        if seen.process
        else f"Port {seen.subject} is open"
    )


RULE = Rule(
    kind=RuleKind.NEW_LISTENING_PORT,
    guidance=Guidance(
        "New listening port",
        ("T1571", "T1205"),
        Severity.MEDIUM,
        (
            "Find the program behind the port: `ss -ltnp`.",
            "Check whether the firewall lets it be reached from outside.",
            "Ask whether a service was deployed on this host.",
        ),
    ),
    meaning=("Something on the host accepts connections on a port that was not open before."),
    reads=frozenset({EventKind.PORT_OPENED}),
    settings=Settings,
    sight=_sight,
    title=_title,
)
