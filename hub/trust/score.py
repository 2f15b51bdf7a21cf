"""The Trust Score: a pure function of what is known about a tenant's posture.

The newest word about each (source, subject, key) of the last 30 days counts: it is *bad* when its
severity is low or worse and it is not resolved, else it is *good*.

A problem, one (source, key), costs its component `weight x share`: the weight of its severity,
times the share of the subjects that have it among those for which the source can tell (they have
it, or the source has a good word about them). Shares make the score independent of the fleet's
size; so a source reports an info signal for every subject that it looked at. Where a problem is
worse on some subjects than on others, each step of severity counts by the share that reached it.

A component's score is 100 minus what its problems cost, at least 0. A component about which nothing
was said has no data: it is left out, and the other weights share its part.

Why it is monotone: a bad word counts as evidence for its own problem only. When it is resolved, its
share falls and the good words grow; when it is withdrawn, no other share rises. (Withdrawing the
very last word of a component leaves no data there, which says nothing about better or worse.)
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

import orjson

from hub.severity import Severity
from hub.trust.models import TrustComponent

WINDOW = timedelta(days=30)
MAX_CONTRIBUTORS = 10
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The newest thing a source said about one subject and one key."""

    component: TrustComponent
    source: str
    subject: str
    key: str
    title: str
    severity: Severity
    observed_at: datetime
    is_resolved: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether it speaks against the tenant."""
        return not self.is_resolved and self.severity is not Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """A problem, and by how many points of the total resolving it would raise the score."""

    component: TrustComponent
    source: str
    key: str
    title: str
    severity: Severity  # the worst it has anywhere
    subjects: tuple[str, ...]  # the first few that have it
    affected: int  # how many have it
    since: datetime  # the oldest of the words that count
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The total and what it is made of; None where there is no data."""

    total: float | None
    components: Mapping[TrustComponent, float | None]
    contributors: tuple[Contributor, ...]
    inputs_hash: str


type _Problem = tuple[str, str]  # source, key


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What was said about one component, ordered for the arithmetic."""

    problems: Mapping[_Problem, Sequence[Word]]
    good_subjects: Mapping[str, frozenset[str]]  # by source

    @classmethod
    def of(cls, words: Iterable[Word]) -> Self:
        """Tell the bad words from the good."""
        problems: dict[_Problem, list[Word]] = defaultdict(list)
        good: dict[str, set[str]] = defaultdict(set)
        for word in words:
            if word.is_bad:
                problems[word.source, word.key].append(word)
            else:
                good[word.source].add(word.subject)
        return cls(problems, {source: frozenset(subjects) for source, subjects in good.items()})

    def costs(self) -> dict[_Problem, float]:
        """Return what each problem costs, in one order, so that the sum is always the same."""
        return {
            problem: _cost(self.problems[problem], self.good_subjects.get(problem[0], frozenset()))
            for problem in sorted(self.problems)
        }

    def score(self) -> float:
        """Return 100 minus the costs, at least 0."""
        return max(0.0, 100.0 - sum(self.costs().values()))

    def without(self, problem: _Problem) -> Self:
        """Return the evidence as it would be with this problem resolved everywhere."""
        source = problem[0]
        healed = {word.subject for word in self.problems[problem]}
        return replace(
            self,
            problems={other: bad for other, bad in self.problems.items() if other != problem},
            good_subjects={
                **self.good_subjects,
                source: self.good_subjects.get(source, frozenset()) | healed,
            },
        )


def score_of(
    words: Iterable[Word], *, weights: Mapping[TrustComponent, float] = COMPONENT_WEIGHTS
) -> Score:
    """Return the score of these words; their order does not matter."""
    by_component: dict[TrustComponent, list[Word]] = defaultdict(list)
    for word in words:
        by_component[word.component].append(word)
    known = {name: _Evidence.of(said) for name, said in by_component.items()}
    scores = {name: known[name].score() if name in known else None for name in TrustComponent}
    weight_with_data = sum(weights[name] for name in TrustComponent if name in known)
    return Score(
        total=_total(scores, weights),
        components=scores,
        contributors=_contributors(known, weights, weight_with_data),
        inputs_hash=inputs_hash(
            (word for said in by_component.values() for word in said), weights=weights
        ),
    )


def inputs_hash(words: Iterable[Word], *, weights: Mapping[TrustComponent, float]) -> str:
    """Return a digest of all that the score depends on, and of nothing else: no clock, no order."""
    said = sorted(
        [
            word.component.value,
            word.source,
            word.subject,
            word.key,
            word.severity.value if word.is_bad else Severity.INFO.value,
        ]
        for word in words
    )
    weighed = {name.value: float(weights[name]) for name in TrustComponent}
    payload = orjson.dumps([weighed, said], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(payload).hexdigest()


def _total(
    scores: Mapping[TrustComponent, float | None], weights: Mapping[TrustComponent, float]
) -> float | None:
    known = [(score, weights[name]) for name, score in scores.items() if score is not None]
    weight = sum(weight for _, weight in known)
    if weight == 0:
        return None
    # The clamp only takes away what floating point may add beyond the bounds.
    return min(100.0, max(0.0, sum(score * part for score, part in known) / weight))


def _cost(bad: Iterable[Word], good_subjects: frozenset[str]) -> float:
    severity_by_subject = {word.subject: word.severity.rank for word in bad}
    cost = 0.0
    counted = 0.0
    for severity, weight in SEVERITY_WEIGHTS.items():
        reached = {
            subject for subject, rank in severity_by_subject.items() if rank >= severity.rank
        }
        if reached:
            cost += (weight - counted) * len(reached) / len(reached | good_subjects)
        counted = weight
    return cost


def _contributors(
    known: Mapping[TrustComponent, _Evidence],
    weights: Mapping[TrustComponent, float],
    weight_with_data: float,
) -> tuple[Contributor, ...]:
    if weight_with_data == 0:
        return ()
    costliest = sorted(
        (
            (-cost * weights[name], name.value, problem)
            for name, component in known.items()
            for problem, cost in component.costs().items()
        ),
    )[:MAX_CONTRIBUTORS]
    found = []
    for _, value, problem in costliest:
        name = TrustComponent(value)
        component = known[name]
        gain = component.without(problem).score() - component.score()
        points = gain * weights[name] / weight_with_data
        found.append(_contributor(component.problems[problem], points))
    return tuple(sorted(found, key=lambda one: -one.points))


def _contributor(bad: Sequence[Word], points: float) -> Contributor:
    worst = min(bad, key=lambda word: (-word.severity.rank, word.subject))
    subjects = sorted(word.subject for word in bad)
    return Contributor(
        component=worst.component,
        source=worst.source,
        key=worst.key,
        title=worst.title,
        severity=worst.severity,
        subjects=tuple(subjects[:MAX_SUBJECTS]),
        affected=len(subjects),
        since=min(word.observed_at for word in bad),
        points=points,
    )
