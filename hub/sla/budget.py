"""Error budgets and burn rates: pure arithmetic over seconds that went well or badly.

An objective leaves a budget, `1 - objective`, of the window. Of the *known* seconds (good + bad):

    error rate  = bad / known
    consumed    = error rate / budget           (1.0: nothing is left)
    burn rate   = error rate over a short period / budget   (1.0: spends it in exactly one window)
    exhausted in = remaining x window / burn rate   (a young target's budget grows meanwhile)

Seconds that nobody observed are unknown: they are in no numerator and no denominator, and when too
many of them are missing the state is unknown. While a target is younger than its window it is
judged over its life so far (its *span*), so that budget and minutes consumed stay comparable. An
objective of 100 % leaves no budget: one bad second breaches it, and nothing is divided by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

BURN_PERIODS: Mapping[str, timedelta] = {
    "5m": timedelta(minutes=5),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
}
AT_RISK_CONSUMED = 0.8
# What two floats may differ by that are the same number: a budget spent to the last second is not
# overspent, however its quotient was rounded.
_ROUNDING = 1 + 1e-9
_NOTHING, _MINUTE, _DAY = timedelta(), timedelta(minutes=1), timedelta(days=1)
_FORECAST_PERIOD = "1d"  # long enough not to panic at one bad minute, short enough to see today


@dataclass(frozen=True, slots=True)
class BurnRule:
    """Spending this share of the budget within `long`, and still at that pace in `short`."""

    share: float
    long: str
    short: str
    is_page: bool = False  # somebody must come now; else a ticket will do

    def factor(self, window: timedelta) -> float:
        """Return the burn rate above which the rule fires; 14.4 for 2 % of 30 days in an hour.

        Never below 1: a pace of 1 or less can go on for ever without spending the budget.
        """
        return max(1.0, self.share * (window / BURN_PERIODS[self.long]))


# Google SRE workbook, chapter 5, table 5-8; the last row is Sloth's second ticket rule.
BURN_RULES = (
    BurnRule(0.02, "1h", "5m", is_page=True),
    BurnRule(0.05, "6h", "30m", is_page=True),
    BurnRule(0.10, "1d", "2h"),
    BurnRule(0.10, "3d", "6h"),
)


class SlaState(StrEnum):
    """How a target stands."""

    MET = "met"
    AT_RISK = "at_risk"
    BREACHED = "breached"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seconds:
    """What is known of a period."""

    good: float = 0.0
    bad: float = 0.0

    @property
    def known(self) -> float:
        """Seconds that somebody observed."""
        return self.good + self.bad

    @property
    def error_rate(self) -> float | None:
        """Share of the known time that was bad; None when nothing is known."""
        return self.bad / self.known if self.known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Where a target stands. Figures are None when nothing is known to compute them from."""

    observed_share: float | None
    known_share: float  # of the span
    budget_minutes: float
    consumed_minutes: float | None
    remaining_minutes: float | None  # below 0 once breached
    consumed_share: float | None
    burn_rates: Mapping[str, float | None]
    state: SlaState
    days_until_exhausted: float | None


def budget_of(
    *,
    objective: float,
    window: timedelta,
    age: timedelta,
    minimum_data: float,
    seen: Seconds,
    recent: Mapping[str, Seconds],
    excluded: timedelta = _NOTHING,
    ahead: timedelta = _NOTHING,
    excluded_ahead: timedelta = _NOTHING,
) -> Budget:
    """Return where a target stands, from the seconds of its window and of the recent periods.

    `age` is how long the target has existed or has been observed, whichever is longer. `excluded`
    is maintenance within the window so far. `ahead` is what of the window is still to come: nothing
    of a rolling window, the rest of a calendar month.
    """
    so_far = window - ahead
    span = min(so_far, max(age, timedelta(seconds=seen.known))) - excluded
    promised = max(_NOTHING, span + ahead - excluded_ahead)
    allowed = _allowed(objective)
    rate = seen.error_rate
    consumed_minutes = None if rate is None else rate * (span / _MINUTE)
    budget_minutes = allowed * (promised / _MINUTE)
    consumed = (
        consumed_minutes / budget_minutes
        if consumed_minutes is not None and budget_minutes
        else None
    )
    burn_rates = {period: burn_rate(recent.get(period, Seconds()), allowed) for period in recent}
    known_share = min(1.0, seen.known / span.total_seconds()) if span > _NOTHING else 0.0
    state = _state(
        seen=seen,
        consumed=consumed,
        allowed_seconds=allowed * (window - excluded - excluded_ahead).total_seconds(),
        has_enough_data=bool(seen.known) and known_share >= minimum_data,
        is_burning=is_burning(burn_rates, window=window),
    )
    return Budget(
        observed_share=None if rate is None else 1.0 - rate,
        known_share=known_share,
        budget_minutes=budget_minutes,
        consumed_minutes=consumed_minutes,
        remaining_minutes=None if consumed_minutes is None else budget_minutes - consumed_minutes,
        consumed_share=consumed,
        burn_rates=burn_rates,
        state=state,
        days_until_exhausted=_days_until_exhausted(
            consumed,
            burn_rates.get(_FORECAST_PERIOD),
            span=promised,
            window=promised if ahead else so_far - excluded,
            ahead=ahead,
        ),
    )


def burn_rate(recent: Seconds, allowed: float) -> float | None:
    """Return how fast the budget is spent; None without a budget or without data."""
    rate = recent.error_rate
    return rate / allowed if rate is not None and allowed else None


def firing_rules(burn_rates: Mapping[str, float | None], *, window: timedelta) -> list[BurnRule]:
    """Return the rules whose long and short period are both above the factor."""
    return [
        rule
        for rule in BURN_RULES
        if min(burn_rates.get(rule.long) or 0.0, burn_rates.get(rule.short) or 0.0)
        > rule.factor(window) * _ROUNDING
    ]


def is_burning(burn_rates: Mapping[str, float | None], *, window: timedelta) -> bool:
    """Tell whether a rule fires."""
    return bool(firing_rules(burn_rates, window=window))


def _allowed(objective: float) -> float:
    """Return the share that may go badly: 0.0005 of 0.9995, which floats would make a bit less."""
    return float(1 - Decimal(repr(objective)))


def _state(
    *,
    seen: Seconds,
    consumed: float | None,
    allowed_seconds: float,
    has_enough_data: bool,
    is_burning: bool,
) -> SlaState:
    # More bad time than a whole window may have: whatever the unknown time was, it is breached.
    if seen.bad > allowed_seconds * _ROUNDING:
        return SlaState.BREACHED
    if not has_enough_data:
        return SlaState.UNKNOWN
    if consumed is None:  # no budget, and no bad second
        return SlaState.MET
    if consumed > _ROUNDING:
        return SlaState.BREACHED
    is_nearly_spent = consumed * _ROUNDING >= AT_RISK_CONSUMED
    return SlaState.AT_RISK if is_burning or is_nearly_spent else SlaState.MET


def _days_until_exhausted(
    consumed: float | None,
    pace: float | None,
    *,
    span: timedelta,
    window: timedelta,
    ahead: timedelta,
) -> float | None:
    """Return when the budget ends at the pace of the last day; None when it never does.

    The budget is of the `span`, and that of a young target grows with it up to the `window`'s. At a
    pace that leaves some of it for one whole window, today's losses have left a rolling window by
    then; a calendar month ends and begins anew.
    """
    if consumed is None:
        return None
    if consumed >= 1:
        return 0.0
    if not pace:
        return None
    spent = consumed * (span / _DAY)  # in days at a pace of 1
    if pace > 1 and (days := (span / _DAY - spent) / (pace - 1)) <= (window - span) / _DAY:
        return days
    days = (window / _DAY - spent) / pace
    return days if (days <= ahead / _DAY if ahead else days < window / _DAY) else None
