"""When an alert opens and when it is over: a pure function of rule, state, reading and time.

    OK ──breached──▶ PENDING ──for the duration──▶ FIRING ──cleared──▶ CLEARING ──▶ OK
                        │                            ▲                    │
                        └── not breached: OK         └── not cleared ─────┘

* *Cleared* is more than *not breached*: the value has to come back past the threshold by the
  hysteresis, and stay there for the clear duration. Between the two nothing changes.
* No data is neither: the state stays as it is. Silence has a rule of its own. Time without data
  counts for no duration: after a gap the waiting begins anew.
* In maintenance nothing opens, and what was about to waits anew afterwards. What is open stays
  open, and is over when it is over.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hub.alerts.metrics import RuleOperator

LONGEST_GAP = timedelta(minutes=5)
# A state is not written for every reading: `seen_at` moves on at most this often.
SEEN_EVERY = timedelta(minutes=1)


class Phase(StrEnum):
    """Where a rule stands with one subject; no state at all is OK."""

    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"

    @property
    def is_open(self) -> bool:
        """Whether an alert is open in this phase."""
        return self is not Phase.PENDING


class Action(StrEnum):
    """What a step asks for."""

    NONE = "none"
    OPEN = "open"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule opens an alert, and when the alert is over."""

    operator: RuleOperator
    threshold: float
    duration: timedelta = timedelta(0)
    hysteresis: float = 0.0
    clear_duration: timedelta = timedelta(0)

    def is_breached(self, value: float) -> bool:
        """Tell whether the value is what the rule warns of."""
        return self.operator.holds(value, self.threshold)

    def is_cleared(self, value: float) -> bool:
        """Tell whether the value has come back far enough."""
        limit = self.threshold - self.operator.direction * self.hysteresis
        return not self.is_breached(value) and not self.operator.holds(value, limit)


@dataclass(frozen=True, slots=True)
class State:
    """A phase, since when it lasts, and when a reading last confirmed it."""

    phase: Phase
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a state, and what is to be done about it."""

    state: State | None
    action: Action = Action.NONE


def step(
    condition: Condition,
    state: State | None,
    reading: float | None,
    now: datetime,
    *,
    in_maintenance: bool = False,
) -> Step:
    """Return where the rule stands after this reading."""
    if state is None or state.phase is Phase.PENDING:
        if in_maintenance:
            return Step(None)
        return _while_closed(condition, state, reading, now)
    return _while_open(condition, state, reading, now)


def _while_closed(
    condition: Condition, state: State | None, reading: float | None, now: datetime
) -> Step:
    if reading is None:
        return Step(state)
    if not condition.is_breached(reading):
        return Step(None)
    waiting = _waiting(state, Phase.PENDING, now)
    if now - waiting.since >= condition.duration:
        return Step(State(Phase.FIRING, now, now), Action.OPEN)
    return Step(waiting)


def _while_open(condition: Condition, state: State, reading: float | None, now: datetime) -> Step:
    if reading is None:
        return Step(state)
    if not condition.is_cleared(reading):
        return Step(state if state.phase is Phase.FIRING else State(Phase.FIRING, now, now))
    waiting = _waiting(state, Phase.CLEARING, now)
    if now - waiting.since >= condition.clear_duration:
        return Step(None, Action.RESOLVE)
    return Step(waiting)


def _waiting(state: State | None, phase: Phase, now: datetime) -> State:
    """Return the waiting of this phase: it goes on, or begins now, also after a gap."""
    if state is None or state.phase is not phase or now - state.seen_at > LONGEST_GAP:
        return State(phase, now, now)
    if now - state.seen_at < SEEN_EVERY:
        return state
    return replace(state, seen_at=now)
