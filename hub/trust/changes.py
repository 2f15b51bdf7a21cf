"""What moved the score between two moments: each problem's part of the difference.

A problem's points say what mending it *alone* would gain. They are no measure of a change: of three
problems at once, each is worth less than one was, though nobody mended it. So here the difference
itself is shared out. A problem whose cost is the same moved nothing; of a source's difference the
others have parts in proportion to how their costs moved. The parts add up to what the components
moved the total by; the rest is weights: changed ones, or those of components that have data now.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any

from hub.trust.models import TrustComponent
from hub.trust.score import SOURCE_AT_MOST, SOURCE_LINEAR_UP_TO, source_cost

MAX_CHANGES = 8
_NOTICED_POINTS = 0.05  # what shows once rounded to a decimal
_SAME = 1e-9

type Row = Mapping[str, Any]  # a snapshot or the state, as they are stored
type Problem = tuple[str, str, str]  # component, source, key


@dataclass(frozen=True, slots=True)
class Change:
    """A problem that moved the score since an earlier moment."""

    component: TrustComponent
    source: str
    key: str
    title: str
    since: datetime | None  # None when it is gone
    points: float  # below 0 when it lowered the score


def changes_between(before: Row, after: Row) -> list[Change]:
    """Return the problems that moved the score noticeably, the largest moves first."""
    old, new = _by_problem(before), _by_problem(after)
    points = _parts(before, after, old, new)
    changes = [
        Change(
            component=TrustComponent(problem[0]),
            source=problem[1],
            key=problem[2],
            title=(new.get(problem) or old[problem])["title"],
            since=datetime.fromisoformat(new[problem]["since"]) if problem in new else None,
            points=points[problem],
        )
        for problem in {*old, *new}
        if abs(points[problem]) >= _NOTICED_POINTS
    ]
    changes.sort(key=lambda one: (-abs(one.points), one.component, one.source, one.key))
    return changes[:MAX_CHANGES]


def _by_problem(row: Row) -> dict[Problem, Row]:
    return {(one["component"], one["source"], one["key"]): one for one in row["costs"]}


def _parts(
    before: Row, after: Row, old: Mapping[Problem, Row], new: Mapping[Problem, Row]
) -> dict[Problem, float]:
    """Return by how much each problem moved the total."""
    names = {*old, *new}
    if not all("cost" in one for one in (*old.values(), *new.values())):
        # Snapshots of before costs were kept know only the points.
        return {name: _of(old, name, "points") - _of(new, name, "points") for name in names}
    raws = [_raws(old), _raws(new)]
    weighing = {name: _weighing(name, before, after, raws) for name in TrustComponent}
    return {
        name: (_of(old, name, "cost") - _of(new, name, "cost"))
        * weighing[TrustComponent(name[0])]
        * _slope(*(raw.get(name[:2], 0.0) for raw in raws))
        for name in names
    }


def _of(problems: Mapping[Problem, Row], name: Problem, field: str) -> float:
    return float(problems[name][field]) if name in problems else 0.0


def _raws(problems: Mapping[Problem, Row]) -> dict[tuple[str, str], float]:
    """Return each source's sum of costs."""
    return {name[:2]: float(one["cost_of_source"]) for name, one in problems.items()}


def _slope(before: float, after: float) -> float:
    """Return what a source takes for each point of its costs that it moved by."""
    if abs(after - before) > _SAME:
        return (source_cost(after) - source_cost(before)) / (after - before)
    if after <= SOURCE_LINEAR_UP_TO:
        return 1.0
    return math.exp(-(after - SOURCE_LINEAR_UP_TO) / (SOURCE_AT_MOST - SOURCE_LINEAR_UP_TO))


def _weighing(
    name: TrustComponent, before: Row, after: Row, raws: Sequence[Mapping[tuple[str, str], float]]
) -> float:
    """Return by how much a point that the component's sources take moves the total."""
    parts = [row["component_scores"][name.value] for row in (before, after)]
    known = [part["score"] is not None for part in parts]
    if not any(known):
        return 0.0
    shares = [_share(row, name) for row in compress((before, after), known)]
    scores = [100.0 if part["score"] is None else part["score"] for part in parts]
    taken = [
        math.fsum(source_cost(raw) for source, raw in sums.items() if source[0] == name.value)
        for sums in raws
    ]
    return sum(shares) / len(shares) * _kept(scores[0] - scores[1], taken[1] - taken[0], scores[1])


def _share(row: Row, name: TrustComponent) -> float:
    """Return which part of the total the component is."""
    weights = {
        one: part["weight"] or 0.0
        for one, part in row["component_scores"].items()
        if part["score"] is not None
    }
    total = sum(weights.values())
    return weights[name.value] / total if total else 0.0


def _kept(lost: float, taken: float, score: float) -> float:
    """Return how much of what the sources take reaches the component, which ends at 0."""
    if abs(taken) <= _SAME:
        return 1.0 if score > 0 else 0.0
    return min(1.0, max(0.0, lost / taken))
