"""What a rule is: which events it reads, what it makes of them, and what people may tune.

A rule looks at one event at a time and says what it is about (its subject) or that it means
nothing. Events about one subject that follow each other within the rule's window are one thing
that happened, and at most one detection. Whether they are a detection must never turn from yes to
no when more events come: they come late, twice and in any order, and the outcome is the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.severity import Severity

WHO_ACTS = (
    "Isolating the host, killing a process or locking out a user is done by a person in the"
    " dashboard, with TOTP and a written reason; it cannot be done from here."
)
HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Guidance:
    """One rule in words: ATT&CK techniques, how bad it is as a rule, and what to check."""

    title: str
    techniques: tuple[str, ...]
    severity: Severity
    checks: tuple[str, ...]

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What a person would check, and by whom action is taken."""
        return (*self.checks, WHO_ACTS)


def threshold(default: int, *, low: int, high: int, unit: str, meaning: str) -> Any:
    """Declare a number of a rule that a tenant may change, with its bounds and its unit."""
    return field(
        default=default, metadata={"low": low, "high": high, "unit": unit, "meaning": meaning}
    )


def window(default: int) -> Any:
    """Declare after how many quiet seconds what follows is a new detection."""
    return threshold(
        default,
        low=1,
        high=7 * DAY,
        unit="seconds",
        meaning="Events of one subject that are no further apart than this are one detection.",
    )


def learning(default: int) -> Any:
    """Declare for how many hours after its first events a host is only learned from."""
    return threshold(
        default,
        low=0,
        high=30 * 24,
        unit="hours",
        meaning="How long after a host's first events everything counts as usual for it.",
    )


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """The numbers of a rule; each rule adds its own."""

    window_seconds: int = window(HOUR)
    max_subjects: int = threshold(
        50,
        low=1,
        high=1000,
        unit="subjects",
        meaning=(
            "Of one host, so many subjects within the window have detections of their own; further"
            " ones are counted together in one detection."
        ),
    )

    @property
    def gap(self) -> timedelta:
        """After how long a silence what follows is a new detection."""
        return timedelta(seconds=self.window_seconds)

    @property
    def learning_time(self) -> timedelta:
        """For how long a host is only learned from; rules about what is new have such a time."""
        return timedelta(hours=getattr(self, "learning_hours", 0))


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number of a rule as people see it."""

    name: str
    default: int
    low: int
    high: int
    unit: str
    meaning: str


def thresholds_of(settings: type[RuleSettings]) -> tuple[Threshold, ...]:
    """Return what may be tuned about a rule."""
    defaults = settings()
    return tuple(
        Threshold(one.name, getattr(defaults, one.name), **one.metadata) for one in fields(settings)
    )


@dataclass(frozen=True, slots=True)
class Sighting:
    """One event in the eyes of one rule."""

    subject: str
    severity: Severity | None = None  # the rule's own unless given
    user: str | None = None
    address: str | None = None
    process: str | None = None
    # Whoever saw it had counted already: it is enough by itself.
    is_enough: bool = False
    # It means something only where this subject was never seen on the host before.
    only_if_new: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One event of a window, as far as counting goes."""

    at: datetime
    kind: EventKind
    count: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What all events of a window have in common."""

    subject: str
    count: int
    user: str | None = None  # null when there was none, or more than one
    address: str | None = None
    process: str | None = None


def _never_worse(_seen: Seen, _settings: Any) -> Severity:
    return Severity.INFO


@dataclass(frozen=True, slots=True)
class Rule[Settings: RuleSettings]:
    """One rule: a module of `hub.detections.rules` each."""

    kind: RuleKind
    guidance: Guidance
    meaning: str  # why it matters, in a sentence or two: the description of its detections
    reads: frozenset[EventKind]
    settings: type[Settings]
    sight: Callable[[SecurityEvent, Settings], Sighting | None]
    title: Callable[[Seen], str]
    is_about_address: bool = False  # its subjects are source addresses
    # Whether these, in the order they happened, are enough; None when one event is.
    is_enough: Callable[[Sequence[Point], Settings], bool] | None = None
    # How bad it has become; a detection's severity is the worst of this and its sightings'.
    severity_of: Callable[[Seen, Settings], Severity] = _never_worse
