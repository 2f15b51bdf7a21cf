"""Refused SSH sign-ins from one address, and then one that succeeded."""

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
from hub.detections.rules.counting import most_before
from hub.detections.rules.ssh import is_success_after_failures, sign_in_sighting
from hub.severity import Severity


@dataclass(frozen=True, slots=True)
class Settings(RuleSettings):
    """Numbers of this rule. People mistype a password once or twice, rarely five times."""

    window_seconds: int = window(240)
    failures: int = threshold(
        5,
        low=2,
        high=10_000,
        unit="failures",
        meaning="So many refused sign-ins within the window before one that succeeded.",
    )


def _sight(event: SecurityEvent, _settings: Settings) -> Sighting | None:
    # The account that was broken into is the one that got in, not those that were tried.
    user = event.user if event.kind is EventKind.AUTH_SUCCESS else None
    return sign_in_sighting(event, user=user, is_enough=is_success_after_failures(event))


def _is_enough(points: Sequence[Point], settings: Settings) -> bool:
    before = most_before(
        points, of=EventKind.AUTH_FAILURE, then=EventKind.AUTH_SUCCESS, within=settings.gap
    )
    return before >= settings.failures


def _title(seen: Seen) -> str:
    who = f"as {seen.user} " if seen.user else ""
    return f"SSH sign-in {who}from {seen.subject} after password guessing"


RULE = Rule(
    kind=RuleKind.SSH_BRUTEFORCE_SUCCESS,
    guidance=Guidance(
        "SSH sign-in after password guessing",
        ("T1110", "T1078"),
        Severity.CRITICAL,
        (
            "Ask the account's owner whether that sign-in was theirs.",
            "Read what the session did: `last -F`, shell history, `journalctl _UID=UID`.",
            "Look for new users, keys, sudo rights and scheduled jobs since then.",
            "Check other hosts for sign-ins of this account or from this address.",
        ),
    ),
    meaning=(
        "An address was refused several times and then let in: a guessed password, or a person"
        " who had forgotten theirs."
    ),
    reads=frozenset({EventKind.AUTH_FAILURE, EventKind.AUTH_SUCCESS}),
    settings=Settings,
    sight=_sight,
    title=_title,
    is_about_address=True,
    is_enough=_is_enough,
)
