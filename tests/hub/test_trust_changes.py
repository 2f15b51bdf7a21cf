"""What moved the score: the parts add up to the difference, and what stayed moved nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given

from hub.severity import Severity
from hub.trust.changes import MAX_CHANGES, changes_between
from hub.trust.current import stored_components, stored_cost
from hub.trust.models import TrustComponent
from hub.trust.score import COMPONENT_WEIGHTS, Word, score_of
from tests.hub.test_trust_score import EXACT, WORDS, word


def row(words: Sequence[Word]) -> Mapping[str, Any]:
    """Return what a snapshot keeps of these words' score."""
    score = score_of(words)
    return {
        "component_scores": stored_components(score.components, COMPONENT_WEIGHTS),
        "costs": [stored_cost(one) for one in score.costs],
    }


def moved(before: Sequence[Word], after: Sequence[Word]) -> dict[str, float]:
    return {one.key: one.points for one in changes_between(row(before), row(after))}


def test_problems_that_come_together_share_what_they_cost() -> None:
    old = [word("web-1", "old", Severity.CRITICAL)]
    new = [*old, *(word("web-1", key, Severity.CRITICAL) for key in ("new 1", "new 2"))]
    # 40 of 100 were lost; three lose 60 + 20 x (1 - e^-3) = 79.0043. Nobody mended the old one,
    # though alone it is worth 6.4 points now and not 40.
    half = (79.0043 - 40) / 2
    assert moved(old, new) == pytest.approx({"new 1": -half, "new 2": -half}, abs=1e-4)
    assert moved(new, old) == pytest.approx({"new 1": half, "new 2": half}, abs=1e-4)


def test_a_component_that_falls_to_nothing_says_why() -> None:
    old = [word("web-1", "old", Severity.HIGH)]
    new = [
        word("web-1", f"{source} {number}", Severity.CRITICAL, source=source)
        for source in ("a", "b")
        for number in range(2)
    ]
    # From 85 to 0. Each source takes 72.6: of their 145.3 only 85 were left to lose.
    assert moved(old, [*old, *new]) == pytest.approx(dict.fromkeys((w.key for w in new), -85 / 4))


def test_what_is_seen_of_a_component_for_the_first_time_costs_what_it_takes() -> None:
    old = [word("web-1", "fine", Severity.INFO)]
    new = word("db", "missing", Severity.HIGH, component=TrustComponent.BACKUP, source="backup")
    # 15 points of a component that is 10 / 25 of the total.
    assert moved(old, [*old, new]) == pytest.approx({"missing": -6.0})


def test_snapshots_from_before_costs_were_kept_compare_points() -> None:
    old, new = row([word("web-1", "old", Severity.LOW)]), row([word("web-1", "new", Severity.HIGH)])
    bare = {
        **old,
        "costs": [{name: one[name] for name in one if "cost" not in name} for one in old["costs"]],
    }
    changes = {one.key: one.points for one in changes_between(bare, new)}
    assert changes == pytest.approx({"new": -15, "old": 1})


@given(WORDS, WORDS)
def test_the_parts_add_up_to_the_difference(before: list[Word], after: list[Word]) -> None:
    then, now = score_of(before), score_of(after)
    # With the same components the total moves by what the components moved, and by nothing else.
    assume({one.component for one in before} == {one.component for one in after})
    if then.total is None or now.total is None:
        return
    changes = changes_between(row(before), row(after))
    if len(changes) < MAX_CHANGES:
        # Moves below 0.05 are not told: at most twelve problems may hide one each.
        assert sum(one.points for one in changes) == pytest.approx(
            now.total - then.total, abs=12 * 0.05 + EXACT
        )


@given(WORDS)
def test_nothing_moved_is_no_change(words: list[Word]) -> None:
    assert changes_between(row(words), row(words)) == []
