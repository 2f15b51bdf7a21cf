"""The state machine: no flapping, no second alert, always an end; and what an oracle says."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.alerts.metrics import RuleOperator
from hub.alerts.state_machine import (
    LONGEST_GAP,
    SEEN_EVERY,
    Action,
    Condition,
    Phase,
    State,
    step,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
TURN = timedelta(seconds=20)
MINUTE = timedelta(minutes=1)
WARM = Condition(RuleOperator.GT, 80, duration=2 * MINUTE, hysteresis=10, clear_duration=MINUTE)


def run(
    condition: Condition, readings: Sequence[float | None], *, every: timedelta = TURN
) -> list[Action]:
    """Return what each reading asked for."""
    state: State | None = None
    actions = []
    for number, reading in enumerate(readings):
        after = step(condition, state, reading, START + number * every)
        state = after.state
        actions.append(after.action)
    return actions


def acts(actions: Sequence[Action]) -> list[tuple[int, Action]]:
    return [(place, one) for place, one in enumerate(actions) if one is not Action.NONE]


def test_it_opens_after_the_duration_and_ends_after_the_clear_duration() -> None:
    readings = [90.0] * 8 + [60.0] * 6
    assert acts(run(WARM, readings)) == [(6, Action.OPEN), (11, Action.RESOLVE)]


def test_one_reading_below_begins_the_wait_anew() -> None:
    readings = [90.0] * 6 + [79.0] + [90.0] * 7
    assert acts(run(WARM, readings)) == [(13, Action.OPEN)]


def test_between_threshold_and_hysteresis_it_stays_open() -> None:
    readings = [90.0] * 7 + [75.0] * 50
    assert acts(run(WARM, readings)) == [(6, Action.OPEN)]


def test_one_reading_in_between_begins_the_clearing_anew() -> None:
    readings = [90.0] * 7 + [60.0] * 3 + [75.0] + [60.0] * 4
    assert acts(run(WARM, readings)) == [(6, Action.OPEN), (14, Action.RESOLVE)]


def test_no_data_neither_opens_nor_ends() -> None:
    readings = [None] * 20 + [90.0] * 7 + [None] * 300
    assert acts(run(WARM, readings)) == [(26, Action.OPEN)]


def test_time_without_data_is_no_time_in_breach() -> None:
    gap = int((LONGEST_GAP + SEEN_EVERY) / TURN) + 1
    readings = [90.0] * 3 + [None] * gap + [90.0] * 7
    assert acts(run(WARM, readings)) == [(3 + gap + 6, Action.OPEN)]


def test_a_short_gap_does_not_begin_the_wait_anew() -> None:
    readings = [90.0] * 3 + [None] * 3 + [90.0]
    assert acts(run(WARM, readings)) == [(6, Action.OPEN)]


def test_in_maintenance_nothing_opens_and_the_wait_begins_anew_afterwards() -> None:
    state: State | None = None
    opened = []
    for number in range(40):
        now = START + number * TURN
        after = step(WARM, state, 90.0, now, in_maintenance=3 <= number < 20)
        state = after.state
        opened += [number] if after.action is Action.OPEN else []
    assert opened == [26]


def test_what_was_open_before_maintenance_ends_in_it() -> None:
    firing = State(Phase.FIRING, START, START)
    at_once = Condition(RuleOperator.GT, 80)
    assert step(at_once, firing, 90.0, START, in_maintenance=True).state == firing
    assert step(at_once, firing, 10.0, START, in_maintenance=True).action is Action.RESOLVE


@pytest.mark.parametrize(
    ("operator", "breached", "cleared"),
    [
        (RuleOperator.GT, [81.0], [70.0]),
        (RuleOperator.GTE, [80.0], [69.9]),
        (RuleOperator.LT, [79.0], [90.0]),
        (RuleOperator.LTE, [80.0], [90.1]),
    ],
)
def test_each_operator_breaches_and_clears_at_its_own_edge(
    operator: RuleOperator, breached: list[float], cleared: list[float]
) -> None:
    condition = Condition(operator, 80, hysteresis=10)
    for value in breached:
        assert condition.is_breached(value)
    for value in cleared:
        assert condition.is_cleared(value)
    between = 70.1 if operator.direction > 0 else 89.9
    assert (condition.is_breached(between), condition.is_cleared(between)) == (False, False)


def test_equality_breaches_at_exactly_the_threshold() -> None:
    equal, unequal = Condition(RuleOperator.EQ, 1), Condition(RuleOperator.NE, 1)
    assert (equal.is_breached(1), equal.is_cleared(2)) == (True, True)
    assert (unequal.is_breached(2), unequal.is_cleared(1)) == (True, True)


conditions = st.builds(
    Condition,
    operator=st.sampled_from([RuleOperator.GT, RuleOperator.GTE]),
    threshold=st.just(80.0),
    duration=st.integers(0, 6).map(lambda turns: turns * TURN),
    hysteresis=st.sampled_from([0.0, 10.0]),
    clear_duration=st.integers(0, 6).map(lambda turns: turns * TURN),
)
values = st.sampled_from([None, 60.0, 69.0, 70.0, 75.0, 80.0, 81.0, 99.0])


def oracle(condition: Condition, readings: Sequence[float | None]) -> list[bool]:
    """Return whether an alert is open after each reading, by looking at the whole past.

    It opens when the readings of the whole duration breach, and ends when those of the whole
    clear duration have come back. The sequences are too short for a gap to matter.
    """
    is_open, since = False, 0
    answers = []
    for place in range(len(readings)):
        known = [(at, value) for at, value in enumerate(readings[: place + 1]) if value is not None]
        if readings[place] is not None:
            wanted = condition.clear_duration if is_open else condition.duration
            test = condition.is_cleared if is_open else condition.is_breached
            streak = None
            for at, value in reversed(known):
                if at < since or not test(value):
                    break
                streak = at
            if streak is not None and (place - streak) * TURN >= wanted:
                is_open, since = not is_open, place + 1
        answers.append(is_open)
    return answers


@given(conditions, st.lists(values, max_size=15))
def test_it_does_what_the_whole_past_says(
    condition: Condition, readings: list[float | None]
) -> None:
    is_open, answers = False, []
    for action in run(condition, readings):
        assert action is not (Action.OPEN if is_open else Action.RESOLVE)
        is_open = is_open if action is Action.NONE else action is Action.OPEN
        answers.append(is_open)
    assert answers == oracle(condition, readings)


class AlertLife(RuleBasedStateMachine):
    """Readings, silences, maintenance and pauses in any order."""

    condition = WARM

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.state: State | None = None
        self.is_open = False
        self.last_breach: datetime | None = None
        self.opened = self.resolved = 0

    def _read(self, value: float | None, *, in_maintenance: bool = False) -> Action:
        self.now += TURN
        after = step(self.condition, self.state, value, self.now, in_maintenance=in_maintenance)
        self.state = after.state
        if after.action is Action.OPEN:
            assert not self.is_open
            assert not in_maintenance
            self.is_open, self.opened = True, self.opened + 1
        if after.action is Action.RESOLVE:
            assert self.is_open
            self.is_open, self.resolved = False, self.resolved + 1
        return after.action

    @rule(value=st.floats(0, 100))
    def reading(self, value: float) -> None:
        action = self._read(value)
        if action is Action.OPEN:
            assert value > 80
        if action is Action.RESOLVE:
            assert value <= 70

    @rule()
    def silence(self) -> None:
        before = self.state
        assert self._read(None) is Action.NONE
        assert self.state == before

    @rule(value=st.floats(0, 100))
    def reading_in_maintenance(self, value: float) -> None:
        assert self._read(value, in_maintenance=True) is not Action.OPEN

    @rule(pause=st.integers(0, 3600))
    def pause(self, pause: int) -> None:
        self.now += timedelta(seconds=pause)

    @rule(values=st.lists(st.floats(70, 80, exclude_min=True), min_size=1, max_size=10))
    def between(self, values: list[float]) -> None:
        """Within the hysteresis nothing ever opens or ends, however long it lasts."""
        assert {self._read(value) for value in values} == {Action.NONE}

    @precondition(lambda self: not self.is_open)
    @rule()
    def it_heats_up(self) -> None:
        """From everywhere it opens, once, when the trouble lasts."""
        assert [self._read(99.0) for _ in range(8)].count(Action.OPEN) == 1

    @precondition(lambda self: self.is_open)
    @rule()
    def it_calms_down(self) -> None:
        """From everywhere there is a way back, and it is as long as it was said to be."""
        actions = [self._read(50.0) for _ in range(4)]
        assert actions.count(Action.RESOLVE) == 1
        assert self.state is None

    @invariant()
    def the_state_says_whether_an_alert_is_open(self) -> None:
        assert self.is_open is (self.state is not None and self.state.phase.is_open)
        assert self.opened - self.resolved == int(self.is_open)


TestAlertLife = AlertLife.TestCase
