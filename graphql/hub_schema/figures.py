"""Figures as people read them: rounded where they leave the domain, never before."""

from collections.abc import Mapping
from typing import Self

import strawberry

from hub.severity import Severity
from hub_schema.directives import EgressClass, leaf


def rounded(value: float | None, digits: int) -> float | None:
    """Return the figure with so many decimals; digits that carry no meaning cost tokens."""
    return None if value is None else round(value, digits)


@strawberry.type(description="How many there are of each severity.")
class SeverityCounts:
    """Counts by severity, worst first."""

    critical: int = leaf(EgressClass.COUNT, "How many are critical.")
    high: int = leaf(EgressClass.COUNT, "How many are high.")
    medium: int = leaf(EgressClass.COUNT, "How many are medium.")
    low: int = leaf(EgressClass.COUNT, "How many are low.")
    info: int = leaf(EgressClass.COUNT, "How many are for information only.")
    total: int = leaf(EgressClass.COUNT, "How many there are in all.")

    @classmethod
    def of(cls, counts: Mapping[Severity, int]) -> Self:
        """Shape the counts; a severity that is not there counts zero."""
        by_name = {severity.value: counts.get(severity, 0) for severity in Severity}
        return cls(**by_name, total=sum(by_name.values()))
