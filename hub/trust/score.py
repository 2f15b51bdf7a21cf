"""The Trust Score: a pure function of what is known about a tenant's posture.

The newest word about each (source, subject, key) of the last 30 days counts: it is *bad* when its
severity is low or worse and it is not resolved. README.md gives the formula with its reasons; in
short, for a problem (source, key), with the weights of its severities:

    cost of a problem  = weight of its severity x share of the subjects that have it,
                         among those for which the source can tell
    cost of a source   = sum over its problems, linear up to 60, bounded by 80
    component          = 100 - sum over its sources, at least 0
    total              = mean of the components with data, by their weights

Shares make the score independent of the fleet's size; so a source reports an info signal for every
subject that it looked at. A component about which nothing was said has no data: it is left out, and
the other weights share its part.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from hub.severity import Severity
from hub.trust.models import TrustComponent
from hub.trust.words import ProblemKey, SourceKey, Tally, Word, digest_sum

__all__ = ["Contributor", "Cost", "Score", "Word", "score_of"]

WINDOW = timedelta(days=30)
MAX_CONTRIBUTORS = 10
MAX_COSTS = 50
MAX_SUBJECTS = 3
SEVERITY_WEIGHTS: Mapping[Severity, float] = {
    Severity.INFO: 0,
    Severity.LOW: 1,
    Severity.MEDIUM: 4,
    Severity.HIGH: 15,
    Severity.CRITICAL: 40,
}
COMPONENT_WEIGHTS: Mapping[TrustComponent, float] = {
    TrustComponent.COMPLIANCE: 20,
    TrustComponent.CVES: 15,
    TrustComponent.IDENTITY: 15,
    TrustComponent.AI_RISK: 10,
    TrustComponent.PROCESS_DNA: 10,
    TrustComponent.CERT_DNS: 10,
    TrustComponent.BACKUP: 10,
    TrustComponent.INCIDENT_RESPONSE: 10,
}
SOURCE_LINEAR_UP_TO = 60.0
SOURCE_AT_MOST = 80.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one problem costs its source, before the source's bound."""

    component: TrustComponent
    source: str
    key: str
    title: str
    severity: Severity  # the worst it has anywhere
    affected: int  # how many subjects have it
    cost: float

    @property
    def problem(self) -> ProblemKey:
        """Name the problem."""
        return self.component, self.source, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """A problem, and by how many points of the total resolving it would raise the score."""

    component: TrustComponent
    source: str
    key: str
    title: str
    severity: Severity  # the worst it has anywhere
    subjects: tuple[str, ...]  # those that have it longest
    affected: int  # how many have it
    since: datetime  # when the first of them got it
    points: float
    cost: float = 0.0  # to its source, before the source's bound
    cost_of_source: float = 0.0  # of all the source's problems together


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """The total, its components, and what each problem among the costliest takes from it."""

    total: float | None
    components: Mapping[TrustComponent, float | None]
    points: Sequence[tuple[Cost, float]]  # most points first
    raws: Mapping[SourceKey, float]  # what each source's problems cost together


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The total and what it is made of; None where there is no data."""

    total: float | None
    components: Mapping[TrustComponent, float | None]
    contributors: tuple[Contributor, ...]
    costs: tuple[Contributor, ...]  # the contributors, and more
    inputs_hash: str


def score_of(
    words: Iterable[Word], *, weights: Mapping[TrustComponent, float] = COMPONENT_WEIGHTS
) -> Score:
    """Return the score of these words; their order does not matter."""
    said = sorted(words, key=lambda word: word.identity)
    costs = _costs(said)
    raws: dict[SourceKey, float] = {(word.component, word.source): 0.0 for word in said}
    for cost in costs:
        raws[cost.component, cost.source] += cost.cost
    sums = arithmetic(raws, costs, weights=weights)
    bad_words = defaultdict(list)
    for word in said:
        if word.is_bad:
            bad_words[word.component, word.source, word.key].append(word)
    costly = tuple(
        _contributor(cost, points, sums.raws, bad_words[cost.problem])
        for cost, points in sums.points
    )
    return Score(
        total=sums.total,
        components=sums.components,
        contributors=costly[:MAX_CONTRIBUTORS],
        costs=costly,
        inputs_hash=inputs_hash(digest_sum(bytes(32), said), weights=weights),
    )


def arithmetic(
    raws: Mapping[SourceKey, float],
    costs: Iterable[Cost],
    *,
    weights: Mapping[TrustComponent, float],
) -> Arithmetic:
    """Return the score of sources with these sums of costs, and points of these problems."""
    by_component: dict[TrustComponent, dict[SourceKey, float]] = defaultdict(dict)
    for source in sorted(raws):
        by_component[source[0]][source] = raws[source]
    scores = {
        name: component_score(by_component[name].values()) if name in by_component else None
        for name in TrustComponent
    }
    weight_with_data = sum(weights[name] for name in TrustComponent if name in by_component)
    if not weight_with_data:
        return Arithmetic(total=None, components=scores, points=(), raws=raws)
    total = sum(score * weights[name] for name, score in scores.items() if score is not None)
    points = [
        (cost, _gain(by_component[cost.component], cost) * weights[cost.component])
        for cost in costs
    ]
    # Of a component at 0 no problem alone gains anything; then those that cost most come first.
    points.sort(key=lambda one: (-one[1], -one[0].cost, one[0].problem))
    return Arithmetic(
        # The clamp only takes away what floating point may add beyond the bounds.
        total=min(100.0, max(0.0, total / weight_with_data)),
        components=scores,
        points=[(cost, gain / weight_with_data) for cost, gain in points[:MAX_COSTS]],
        raws=raws,
    )


def source_cost(raw: float) -> float:
    """Return what a source takes from its component: linear up to 60, and never more than 80.

    The curve goes on with the slope it had at 60, so that every fix still raises the score.
    """
    if raw <= SOURCE_LINEAR_UP_TO:
        return raw
    room = SOURCE_AT_MOST - SOURCE_LINEAR_UP_TO
    return SOURCE_LINEAR_UP_TO + room * -math.expm1(-(raw - SOURCE_LINEAR_UP_TO) / room)


def component_score(raws: Iterable[float]) -> float:
    """Return 100 minus what the sources take, at least 0."""
    return max(0.0, 100.0 - sum(source_cost(raw) for raw in raws))


def inputs_hash(words_digest: bytes, *, weights: Mapping[TrustComponent, float]) -> str:
    """Return a digest of all that the score depends on, and of nothing else: no clock, no order."""
    weighed = {name.value: float(weights[name]) for name in TrustComponent}
    payload = orjson.dumps([weighed, words_digest.hex()], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(payload).hexdigest()


def _gain(raws: Mapping[SourceKey, float], cost: Cost) -> float:
    """Return by how much the component rises when the problem is gone."""
    source = (cost.component, cost.source)
    without = {**raws, source: max(0.0, raws[source] - cost.cost)}
    return component_score(without.values()) - component_score(raws.values())


def problem_cost(
    affected: Mapping[Severity, int], lone: Mapping[Severity, int], looked_at: int
) -> float:
    """Return the weights of a problem's severities, each step by the share that reached it.

    The source can tell about the subjects that it looked at, those whose problem it saw resolved,
    and those that reached the step. A mild case says nothing about the severe ones: else one more
    mild case would raise the score.
    """
    cost = counted = 0.0
    for severity, weight in SEVERITY_WEIGHTS.items():
        reached = _at_least(affected, severity)
        if severity is not Severity.INFO and reached:
            tellable = looked_at + lone.get(Severity.INFO, 0) + _at_least(lone, severity)
            cost += (weight - counted) * reached / tellable
        counted = weight
    return cost


def _at_least(counts: Mapping[Severity, int], severity: Severity) -> int:
    return sum(count for one, count in counts.items() if one.rank >= severity.rank)


def _costs(words: Sequence[Word]) -> list[Cost]:
    tally = Tally.of(words)
    title_of = {
        (word.component, word.source, word.key): word.title for word in words if word.is_bad
    }
    affected, lone = _by_problem(tally.affected), _by_problem(tally.lone)
    return [
        Cost(
            component=problem[0],
            source=problem[1],
            key=problem[2],
            title=title_of[problem],
            severity=max(affected[problem], key=lambda severity: severity.rank),
            affected=sum(affected[problem].values()),
            cost=problem_cost(
                affected[problem], lone.get(problem, {}), tally.looked_at[problem[0], problem[1]]
            ),
        )
        for problem in sorted(affected)
    ]


def _by_problem(
    counts: Mapping[tuple[ProblemKey, Severity], int],
) -> dict[ProblemKey, dict[Severity, int]]:
    by_problem: dict[ProblemKey, dict[Severity, int]] = defaultdict(dict)
    for (problem, severity), count in counts.items():
        by_problem[problem][severity] = count
    return by_problem


def _contributor(
    cost: Cost, points: float, raws: Mapping[SourceKey, float], bad: Sequence[Word]
) -> Contributor:
    oldest = sorted((word.began_at, word.subject) for word in bad)
    return contributor_of(cost, points, raws, oldest)


def contributor_of(
    cost: Cost,
    points: float,
    raws: Mapping[SourceKey, float],
    oldest: Sequence[tuple[datetime, str]],
) -> Contributor:
    """Return the contributor, from those of its subjects that have it longest."""
    return Contributor(
        component=cost.component,
        source=cost.source,
        key=cost.key,
        title=cost.title,
        severity=cost.severity,
        subjects=tuple(subject for _, subject in oldest[:MAX_SUBJECTS]),
        affected=cost.affected,
        since=oldest[0][0],
        points=points,
        cost=cost.cost,
        cost_of_source=raws[cost.component, cost.source],
    )
