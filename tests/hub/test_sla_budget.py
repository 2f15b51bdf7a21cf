"""Error budgets and burn rates: examples with their arithmetic, and the workbook's table."""

from datetime import timedelta
from typing import Any

import pytest

from hub.sla.budget import (
    BURN_PERIODS,
    BURN_RULES,
    Budget,
    Seconds,
    SlaState,
    budget_of,
    is_burning,
)

DAYS_30 = timedelta(days=30)
MONTH = DAYS_30.total_seconds()  # 2,592,000 s
PERIODS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def standing(*, bad: float = 0.0, unknown: float = 0.0, **columns: Any) -> Budget:
    """Return the budget of 99.9 % over 30 days with these bad and unknown seconds."""
    fields: dict[str, Any] = {
        "objective": 0.999,
        "window": DAYS_30,
        "age": timedelta(days=365),
        "minimum_data": 0.95,
        "seen": Seconds(good=MONTH - bad - unknown, bad=bad),
        "recent": {},
    } | columns
    return budget_of(**fields)


def test_three_nines_over_thirty_days_allow_forty_three_minutes() -> None:
    budget = standing(bad=20 * 60)
    # 30 x 24 x 60 x 0.001 = 43.2 minutes allowed; 20 are spent.
    assert budget.budget_minutes == pytest.approx(43.2)
    assert budget.consumed_minutes == pytest.approx(20)
    assert budget.remaining_minutes == pytest.approx(23.2)
    assert budget.consumed_share == pytest.approx(20 / 43.2)
    assert budget.observed_share == pytest.approx(1 - 1200 / 2_592_000)
    assert (budget.known_share, budget.state) == (1.0, SlaState.MET)


def test_unknown_time_is_in_neither_sum() -> None:
    # 1 % of the window, 25,920 s, is unknown: the rate is 1,200 of 2,566,080 known seconds.
    budget = standing(bad=1200, unknown=25_920)
    assert budget.observed_share == pytest.approx(1 - 1200 / 2_566_080)
    assert budget.consumed_share == pytest.approx(1200 / 2_566_080 / 0.001)
    assert budget.known_share == pytest.approx(0.99)
    assert budget.state is SlaState.MET


@pytest.mark.parametrize(
    ("bad_minutes", "state"),
    [
        (0, SlaState.MET),
        (34.5, SlaState.MET),  # 34.5 / 43.2 = 79.9 %
        (34.6, SlaState.AT_RISK),  # 80.1 %
        (43.1, SlaState.AT_RISK),
        (43.3, SlaState.BREACHED),
        (500, SlaState.BREACHED),
    ],
)
def test_the_state_follows_the_budget(bad_minutes: float, state: SlaState) -> None:
    assert standing(bad=bad_minutes * 60).state is state


def test_too_little_data_is_unknown_however_good() -> None:
    assert standing(unknown=MONTH * 0.051).state is SlaState.UNKNOWN
    assert standing(unknown=MONTH * 0.049).state is SlaState.MET


def test_more_bad_time_than_a_window_allows_is_breached_whatever_is_unknown() -> None:
    assert standing(bad=44 * 60, unknown=MONTH * 0.5).state is SlaState.BREACHED
    assert standing(bad=43 * 60, unknown=MONTH * 0.5).state is SlaState.UNKNOWN


def test_nothing_observed_is_unknown_and_has_no_figures() -> None:
    budget = standing(seen=Seconds(), age=timedelta())
    assert budget == Budget(
        observed_share=None,
        known_share=0.0,
        budget_minutes=0.0,
        consumed_minutes=None,
        remaining_minutes=None,
        consumed_share=None,
        burn_rates={},
        state=SlaState.UNKNOWN,
        days_until_exhausted=None,
    )


def test_even_a_target_that_asks_for_no_data_needs_some() -> None:
    assert standing(seen=Seconds(), minimum_data=0.0).state is SlaState.UNKNOWN


def test_a_young_target_is_judged_over_its_life() -> None:
    two_days = 2 * 86_400.0
    budget = standing(age=timedelta(days=2), seen=Seconds(good=two_days - 60, bad=60))
    # 2 x 24 x 60 x 0.001 = 2.88 minutes allowed so far, one is spent.
    assert budget.budget_minutes == pytest.approx(2.88)
    assert budget.remaining_minutes == pytest.approx(1.88)
    assert (budget.known_share, budget.state) == (1.0, SlaState.MET)


@pytest.mark.parametrize(("bad", "state"), [(0.0, SlaState.MET), (0.001, SlaState.BREACHED)])
def test_an_objective_of_a_hundred_percent_has_no_budget(bad: float, state: SlaState) -> None:
    budget = standing(bad=bad, objective=1.0, recent={"1h": Seconds(3600 - bad, bad)})
    assert (budget.budget_minutes, budget.consumed_share, budget.state) == (0.0, None, state)
    assert (budget.burn_rates, budget.days_until_exhausted) == ({"1h": None}, None)


def test_burn_rates_are_error_rates_over_the_budget() -> None:
    budget = standing(
        recent={"1h": Seconds(3564, 36), "6h": Seconds(21_600, 0), "1d": Seconds(), "3d": Seconds()}
    )
    # 36 of 3,600 s is 1 %, ten times the 0.1 % that is allowed.
    assert budget.burn_rates == {"1h": pytest.approx(10), "6h": 0.0, "1d": None, "3d": None}


def test_the_rules_are_those_of_the_workbook() -> None:
    periods = [(rule.long, rule.short) for rule in BURN_RULES]
    assert periods == [("1h", "5m"), ("6h", "30m"), ("1d", "2h"), ("3d", "6h")]
    # factor = share of the budget x 720 h / long: 0.02 x 720 / 1 … 0.1 x 720 / 72.
    assert [rule.factor(DAYS_30) for rule in BURN_RULES] == pytest.approx([14.4, 6, 3, 1])


def test_rules_of_a_shorter_window_scale_and_never_fire_at_a_pace_that_is_kept() -> None:
    factors = [rule.factor(timedelta(days=7)) for rule in BURN_RULES]
    # 0.02 x 168 h / 1, 0.05 x 168 / 6; the others would be 0.7 and 0.23.
    assert factors == pytest.approx([3.36, 1.4, 1, 1])


@pytest.mark.parametrize("rule", BURN_RULES, ids=lambda rule: rule.long)
def test_a_rule_fires_only_when_both_of_its_periods_exceed_it(rule: Any) -> None:
    above, below = rule.factor(DAYS_30) * 1.01, rule.factor(DAYS_30) * 0.99
    calm = dict.fromkeys(PERIODS, 0.0)
    assert is_burning(calm | {rule.long: above, rule.short: above}, window=DAYS_30)
    assert not is_burning(calm | {rule.long: above, rule.short: below}, window=DAYS_30)
    assert not is_burning(calm | {rule.long: below, rule.short: above}, window=DAYS_30)
    assert not is_burning(calm | {rule.long: above, rule.short: None}, window=DAYS_30)


def test_burning_fast_puts_a_healthy_budget_at_risk() -> None:
    hour = Seconds(3540, 60)  # 60 / 3600 / 0.001 = 16.7 > 14.4
    five_minutes = Seconds(294, 6)  # 20
    budget = standing(bad=60, recent={"1h": hour, "5m": five_minutes})
    assert budget.state is SlaState.AT_RISK


@pytest.mark.parametrize(
    ("bad_minutes", "bad_of_last_day", "days"),
    [
        # 21.6 of 43.2 left is 0.5; 432 of 86,400 s is 0.5 %, a pace of 5: 0.5 x 30 / 5.
        (21.6, 432, 3.0),
        # A pace of 0.4 is below the half that remains: today leaves the window before it ends.
        (21.6, 34.56, None),
        (21.6, 0, None),
        (50, 432, 0.0),
    ],
)
def test_days_until_exhausted_follow_the_pace_of_the_last_day(
    bad_minutes: float, bad_of_last_day: float, days: float | None
) -> None:
    day = Seconds(86_400 - bad_of_last_day, bad_of_last_day)
    budget = standing(bad=bad_minutes * 60, recent={"1d": day})
    assert budget.days_until_exhausted == (None if days is None else pytest.approx(days))


@pytest.mark.parametrize("objective", [0.9, 0.95, 0.99, 0.998, 0.999, 0.9995, 0.9999, 0.99999])
def test_the_borders_are_where_they_are_written(objective: float) -> None:
    allowed = round(MONTH * (1 - objective), 6)  # 0.0005 of 2,592,000 s are 1,296 s, say

    def state(bad: float) -> SlaState:
        return standing(objective=objective, bad=bad).state

    assert state(allowed) is SlaState.AT_RISK  # spent to the last second, and not overspent
    assert state(allowed + 0.001) is SlaState.BREACHED
    assert state(allowed * 0.8) is SlaState.AT_RISK
    assert state(allowed * 0.8 - 0.001) is SlaState.MET


@pytest.mark.parametrize("objective", [0.99, 0.999, 0.9995])
@pytest.mark.parametrize("rule", BURN_RULES, ids=lambda rule: rule.long)
def test_a_pace_of_exactly_the_factor_does_not_exceed_it(rule: Any, objective: float) -> None:
    def at(pace: float) -> Budget:
        bad = {name: BURN_PERIODS[name].total_seconds() * round(1 - objective, 6) * pace
               for name in (rule.long, rule.short)}  # fmt: skip
        recent = {name: Seconds(BURN_PERIODS[name].total_seconds() - lost, lost)
                  for name, lost in bad.items()}  # fmt: skip
        return standing(objective=objective, recent=recent)

    factor = round(rule.factor(DAYS_30), 6)
    assert not is_burning(at(factor).burn_rates, window=DAYS_30)
    assert is_burning(at(factor + 0.001).burn_rates, window=DAYS_30)


@pytest.mark.parametrize(
    ("life_days", "bad_minutes", "pace", "days"),
    [
        # 2 days allow 2.88 minutes, 1.44 are spent. Each day adds 1.44 and takes 10 x 1.44 away:
        # 1.44 / (9 x 1.44). Over the whole window it would seem to last 0.5 x 30 / 10 = 1.5 days.
        (2, 1.44, 10, 1 / 9),
        # 29 days allow 41.76, half is spent: at a pace of 3 it would last 20.88 / 2.88 = 7.25 days,
        # but in a day the window is full; 43.2 - 20.88 are then spent at 4.32 a day.
        (29, 20.88, 3, (43.2 - 20.88) / 4.32),
        # At a pace below 1 the budget of a young target grows faster than it is spent.
        (2, 1.44, 0.9, None),
    ],
)
def test_a_young_target_s_budget_ends_when_it_is_spent_and_not_when_a_full_one_were(
    life_days: float, bad_minutes: float, pace: float, days: float | None
) -> None:
    life, bad, day_bad = life_days * 86_400, bad_minutes * 60, 86.4 * pace
    budget = standing(
        age=timedelta(days=life_days),
        seen=Seconds(good=life - bad, bad=bad),
        recent={"1d": Seconds(86_400 - day_bad, day_bad)},
    )
    assert budget.days_until_exhausted == (None if days is None else pytest.approx(days))


def test_the_forecast_is_the_minutes_that_remain_at_the_day_s_pace() -> None:
    # 27 of 30 days count: 38.88 minutes are allowed. 864 s of a day are lost at a pace of 10.
    budget = standing(
        excluded=timedelta(days=3),
        seen=Seconds(good=27 * 86_400 - 600, bad=600),
        recent={"1d": Seconds(86_400 - 864, 864)},
    )
    assert budget.remaining_minutes == pytest.approx(28.88)
    assert budget.days_until_exhausted == pytest.approx(28.88 / 14.4)
