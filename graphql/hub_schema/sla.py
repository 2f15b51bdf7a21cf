"""GraphQL face of service levels: shapes and wiring only; the arithmetic is `hub.sla`'s."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

import strawberry

from hub.clock import parse_instant
from hub.principal import Permission
from hub.sla.budget import SlaState
from hub.sla.models import SlaIndicator
from hub.sla.queries import SlaDay, SlaStanding, sla_days, sla_standings, target_id_of
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, leaf, part
from hub_schema.enums import describe
from hub_schema.figures import rounded

MAX_HISTORY = timedelta(days=366)
_ROUNDING = 1e-12  # what two floats may differ by that are the same share

describe(
    SlaIndicator,
    "What a service-level target observes.",
    {
        SlaIndicator.AGENT_UP: "Whether the host's agent reports.",
        SlaIndicator.ALERT_FREE: "Whether no alert is open.",
        SlaIndicator.CUSTOM: "Counts that the customer sends.",
        SlaIndicator.HTTP_PROBE: "Whether a web address answers as it should.",
    },
)
describe(
    SlaState,
    "How a service-level target stands.",
    {
        SlaState.MET: "The objective is kept.",
        SlaState.AT_RISK: "Four fifths of the error budget are spent, or it is spent too fast.",
        SlaState.BREACHED: "The objective is missed.",
        SlaState.UNKNOWN: "Too little was observed to tell.",
    },
)


@strawberry.type(
    description="How fast the error budget is spent; 1 spends it in exactly one window."
    " Null where nothing was observed, and for an objective of 100 %, which has no budget."
)
class BurnRates:
    """Burn rates over the periods that multi-window alerts look at."""

    five_minutes: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last 5 minutes.")
    half_hour: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last 30 minutes.")
    hour: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last hour.")
    two_hours: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last 2 hours.")
    six_hours: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last 6 hours.")
    day: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last day.")
    three_days: float | None = leaf(EgressClass.SERVICE_LEVEL, "Over the last 3 days.")

    @classmethod
    def of(cls, rates: Mapping[str, float | None]) -> Self:
        """Shape the rates."""
        return cls(
            five_minutes=rounded(rates["5m"], 2),
            half_hour=rounded(rates["30m"], 2),
            hour=rounded(rates["1h"], 2),
            two_hours=rounded(rates["2h"], 2),
            six_hours=rounded(rates["6h"], 2),
            day=rounded(rates["1d"], 2),
            three_days=rounded(rates["3d"], 2),
        )


def _percent(share: float, objective: float = 1.0) -> float:
    """Return the share rounded, but never up to what it missed: the objective, or all of it."""
    percent = round(share * 100, 4)
    if any(share < one - _ROUNDING and percent >= round(one * 100, 10) for one in (objective, 1.0)):
        return math.floor(share * 1_000_000) / 10_000
    return percent


@strawberry.type(name="SlaTarget", description="A promise, and how it stands.")
class SlaTargetType:
    """Target, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the target in this tenant.")
    name: str = leaf(EgressClass.SERVICE_LEVEL, "What people call it.")
    description: str = leaf(EgressClass.SERVICE_LEVEL, "What was promised to whom.")
    indicator: SlaIndicator = leaf(EgressClass.SERVICE_LEVEL, "What is observed.")
    agent_name: str | None = leaf(
        EgressClass.HOST_IDENTITY, "The host concerned; null when it is not about one host."
    )
    objective_percent: float = leaf(EgressClass.SERVICE_LEVEL, "The share of good time promised.")
    window_days: int = leaf(EgressClass.SERVICE_LEVEL, "Over how many days up to now.")
    is_calendar_month: bool = leaf(
        EgressClass.SERVICE_LEVEL, "The calendar month instead of a rolling window."
    )
    observed_percent: float | None = leaf(
        EgressClass.SERVICE_LEVEL, "The share of known time that was good; null without data."
    )
    known_percent: float = leaf(
        EgressClass.SERVICE_LEVEL, "The share of the time about which something is known."
    )
    budget_minutes: float = leaf(
        EgressClass.SERVICE_LEVEL,
        "Bad minutes that the objective allows, in the window or in the target's life so far.",
    )
    consumed_minutes: float | None = leaf(
        EgressClass.SERVICE_LEVEL, "Minutes of the budget that are spent; null without data."
    )
    remaining_minutes: float | None = leaf(
        EgressClass.SERVICE_LEVEL,
        "Minutes that are left, below 0 once breached; null without data.",
    )
    burn_rates: BurnRates = part("How fast the budget is spent.")
    state: SlaState = leaf(EgressClass.SERVICE_LEVEL, "How it stands.")
    days_until_exhausted: float | None = leaf(
        EgressClass.SERVICE_LEVEL,
        "When the budget ends at the last day's pace; null when it does not.",
    )

    @classmethod
    def of(cls, standing: SlaStanding) -> Self:
        """Shape one target."""
        budget = standing.budget
        observed = budget.observed_share
        return cls(
            id=standing.id,
            name=standing.name,
            description=standing.description,
            indicator=standing.indicator,
            agent_name=standing.agent_name,
            objective_percent=round(standing.objective * 100, 10),
            window_days=standing.window_days,
            is_calendar_month=standing.is_calendar_month,
            observed_percent=None if observed is None else _percent(observed, standing.objective),
            known_percent=round(budget.known_share * 100, 1),
            budget_minutes=round(budget.budget_minutes, 1),
            consumed_minutes=rounded(budget.consumed_minutes, 1),
            remaining_minutes=rounded(budget.remaining_minutes, 1),
            burn_rates=BurnRates.of(budget.burn_rates),
            state=budget.state,
            days_until_exhausted=rounded(budget.days_until_exhausted, 1),
        )


@strawberry.type(description="All service-level targets as of one moment.")
class SlaOverview:
    """The targets, those in trouble first."""

    as_of: datetime = leaf(EgressClass.TIME, "The moment the figures hold for.")
    targets: list[SlaTargetType] = part("Every target, those in trouble first.")


@strawberry.type(name="SlaDay", description="How one day (UTC) of a target went.")
class SlaDayType:
    """Day, as clients see it."""

    day: datetime = leaf(EgressClass.TIME, "Where it begins.")
    observed_percent: float | None = leaf(
        EgressClass.SERVICE_LEVEL, "The share of known time that was good; null without data."
    )
    good_minutes: float = leaf(EgressClass.SERVICE_LEVEL, "Minutes that went well.")
    bad_minutes: float = leaf(EgressClass.SERVICE_LEVEL, "Minutes that went badly.")

    @classmethod
    def of(cls, day: SlaDay) -> Self:
        """Shape one day."""
        known = day.good_seconds + day.bad_seconds
        return cls(
            day=day.day,
            observed_percent=_percent(day.good_seconds / known) if known else None,
            good_minutes=round(day.good_seconds / 60, 1),
            bad_minutes=round(day.bad_seconds / 60, 1),
        )


@strawberry.type(name="Query")
class SlaQuery:
    """Service-level field of the query root."""

    @guarded(Permission.SLA_READ, "Every service-level target, and how it stands.")
    async def sla_overview(self, info: Info) -> SlaOverview:
        """Delegate, shape the answer."""
        now = info.context.now
        standings = await info.context.work.run(sla_standings, now=now)
        return SlaOverview(as_of=now, targets=[SlaTargetType.of(one) for one in standings])

    @guarded(Permission.SLA_READ, "How a target's days went, oldest first, up to 366 days back.")
    async def sla_history(
        self,
        info: Info,
        target: Annotated[str, strawberry.argument(description="Its name or id.")],
        since: Annotated[
            str, strawberry.argument(description="A duration back or an RFC 3339 instant.")
        ] = "90d",
    ) -> list[SlaDayType]:
        """Delegate, shape the answer."""
        work, now = info.context.work, info.context.now
        first = max(parse_instant(since, now=now, field="since"), now - MAX_HISTORY)
        target_id = await work.run(target_id_of, target)
        days = await work.run(sla_days, target_id=target_id, since=first, until=now)
        return [SlaDayType.of(one) for one in days]
