"""Many refused SSH sign-ins from one address in a short time."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import (
    Guidance,
    Point,
    Rule,
    RuleSettings,
    Seen,
    Sighting,
    threshold,
    window,
)
from hub.detections.rules.counting import most_within
from hub.detections.rules.ssh import is_sum_of_failures, sign_in_sighting
from hub.severity import Severity


@dataclass(frozen=True, slots=True)
class Settings(RuleSettings):
    """Numbers of this rule. OpenSSH closes a connection after six refusals: eight is no typo."""

    window_seconds: int = window(120)
    failures: int = threshold(
        8,
        low=2,
        high=10_000,
        unit="failures",
        meaning="So many refused sign-ins from one address within the window are guessing.",
    )
    many_failures: int = threshold(
        1000,
        low=2,
        high=1_000_000,
        unit="failures",
        meaning="From so many refused sign-ins on, the detection is of high severity.",
    )


def _sight(event: SecurityEvent, _settings: Settings) -> Sighting | None:
    return sign_in_sighting(event, user=event.user, is_enough=is_sum_of_failures(event))


def _is_enough(points: Sequence[Point], settings: Settings) -> bool:
    return most_within(points, settings.gap) >= settings.failures


def _severity_of(seen: Seen, settings: Settings) -> Severity:
    return Severity.HIGH if seen.count >= settings.many_failures else Severity.MEDIUM


def _title(seen: Seen) -> str:
    return f"SSH password guessing from {seen.subject}"


RULE = Rule(
    kind=RuleKind.SSH_BRUTEFORCE,
    guidance=Guidance(
        "SSH password guessing",
        ("T1110.001",),
        Severity.MEDIUM,
        (
            "Check that none of the attempts succeeded: `journalctl -u ssh | grep Accepted`.",
            "See whether the address tries other hosts as well.",
            "Check whether SSH must be reachable from there, and whether passwords are needed.",
        ),
    ),
    meaning=(
        "One address was refused again and again in a short time: somebody is trying passwords."
    ),
    reads=frozenset({EventKind.AUTH_FAILURE}),
    settings=Settings,
    sight=_sight,
    title=_title,
    is_about_address=True,
    is_enough=_is_enough,
    severity_of=_severity_of,
)
