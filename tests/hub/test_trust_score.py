"""The Trust Score's arithmetic: examples computed by hand, and properties of every history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.severity import Severity
from hub.trust.models import TrustComponent
from hub.trust.score import COMPONENT_WEIGHTS, MAX_CONTRIBUTORS, Word, score_of

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
EXACT = 1e-9


def word(subject: str, key: str, severity: Severity, **columns: Any) -> Word:
    """Return a word about CVEs unless another component is named."""
    fields: dict[str, Any] = {
        "component": TrustComponent.CVES,
        "source": "supply_chain",
        "subject": subject,
        "key": key,
        "title": key,
        "severity": severity,
        "observed_at": MONDAY,
    } | columns
    return Word(**fields)


def identity(one: Word) -> tuple[str, str, str]:
    """Return what a word is about: there is one newest word for each."""
    return (one.source, one.subject, one.key)


WORDS = st.lists(
    st.builds(
        Word,
        component=st.sampled_from([TrustComponent.CVES, TrustComponent.BACKUP]),
        source=st.sampled_from(["a", "b"]),
        subject=st.sampled_from(["h1", "h2", "h3", "h4"]),
        key=st.sampled_from(["k1", "k2", "k3"]),
        title=st.just("title"),
        severity=st.sampled_from(Severity),
        observed_at=st.just(MONDAY),
        is_resolved=st.booleans(),
    ),
    max_size=24,
    unique_by=identity,
)
BAD = WORDS.filter(lambda words: any(one.is_bad for one in words))


def test_one_critical_problem_on_the_only_host_costs_forty() -> None:
    score = score_of([word("web-1", "CVE-1", Severity.CRITICAL)])
    # One component has data, so the total is its score: 100 - 40 x 1/1.
    assert (score.total, score.components[TrustComponent.CVES]) == (60.0, 60.0)


def test_a_problem_costs_its_weight_times_the_share_that_has_it() -> None:
    words = [
        word("web-1", "CVE-1", Severity.HIGH),
        word("web-2", "CVE-1", Severity.HIGH),
        *(word(f"web-{number}", "scanned", Severity.INFO) for number in range(1, 9)),
        word("web-1", "CVE-2", Severity.MEDIUM),
    ]
    # CVE-1: 15 x 2/8 = 3.75; CVE-2: 4 x 1/8 = 0.5; 100 - 4.25.
    assert score_of(words).total == pytest.approx(95.75, abs=EXACT)


def test_a_problem_that_is_worse_somewhere_counts_each_step_by_its_share() -> None:
    words = [
        word("web-1", "CVE-1", Severity.CRITICAL),
        word("web-2", "CVE-1", Severity.LOW),
        *(word(f"web-{number}", "scanned", Severity.INFO) for number in range(1, 5)),
    ]
    # Two of four reach low: 1 x 2/4. One of four reaches critical: (40 - 1) x 1/4.
    assert score_of(words).total == pytest.approx(100 - 0.5 - 9.75, abs=EXACT)


def test_components_without_data_leave_their_part_to_the_others() -> None:
    words = [
        word("web-1", "CVE-1", Severity.CRITICAL),
        word("web-1", "nightly", Severity.INFO, component=TrustComponent.BACKUP, source="backup"),
    ]
    score = score_of(words)
    # Weights 15 (cves, 60 points) and 10 (backup, 100 points): (900 + 1000) / 25.
    assert score.total == pytest.approx(76.0, abs=EXACT)
    known = {name for name, value in score.components.items() if value is not None}
    assert known == {TrustComponent.CVES, TrustComponent.BACKUP}


def test_nothing_said_is_no_data_and_not_a_hundred() -> None:
    score = score_of([])
    assert (score.total, score.contributors) == (None, ())
    assert score.components == dict.fromkeys(TrustComponent)


def test_weights_of_zero_are_no_data_and_no_division() -> None:
    weights = dict.fromkeys(TrustComponent, 0.0)
    assert score_of([word("web-1", "CVE-1", Severity.LOW)], weights=weights).total is None


def test_contributors_are_costliest_first_and_say_what_resolving_gives_back() -> None:
    words = [
        word("web-1", "CVE-1", Severity.HIGH),
        word("web-2", "CVE-1", Severity.HIGH, observed_at=MONDAY - timedelta(days=2)),
        word("web-1", "CVE-2", Severity.CRITICAL),
        *(word(f"web-{number}", "scanned", Severity.INFO) for number in range(1, 5)),
        word("web-1", "nightly", Severity.INFO, component=TrustComponent.BACKUP, source="backup"),
    ]
    worst, other = score_of(words).contributors
    # Of the total, cves is 15/25: CVE-2 costs 40 x 1/4 x 0.6 = 6, CVE-1 15 x 2/4 x 0.6 = 4.5.
    assert (worst.key, worst.affected, worst.subjects) == ("CVE-2", 1, ("web-1",))
    assert worst.points == pytest.approx(6.0, abs=EXACT)
    assert (other.key, other.affected, other.subjects) == ("CVE-1", 2, ("web-2", "web-1"))
    assert other.points == pytest.approx(4.5, abs=EXACT)
    assert other.since == MONDAY - timedelta(days=2)


def test_one_source_takes_no_more_than_eighty_points_and_every_fix_still_counts() -> None:
    words = [word("web-1", f"CVE-{number}", Severity.CRITICAL) for number in range(3)]
    score = score_of(words)
    # Three cost 120: 60 as they are, and 20 x (1 - e^-(60/20)) = 19.0043 of the rest.
    assert score.total == pytest.approx(100 - 60 - 19.0043, abs=1e-4)
    # Without one of them 80: 60 + 20 x (1 - e^-1) = 72.6424.
    assert [one.points for one in score.contributors] == pytest.approx(
        [79.0043 - 72.6424] * 3, abs=1e-4
    )
    noise = [word("web-1", f"CVE-{number}", Severity.CRITICAL) for number in range(500)]
    assert score_of(noise).total == pytest.approx(20.0)


def test_points_know_that_a_component_cannot_go_below_nothing() -> None:
    words = [
        word("web-1", f"CVE-{number}", Severity.CRITICAL, source=source)
        for source in ("a", "b")
        for number in range(2)
    ]
    score = score_of(words)
    # Each source takes 72.6424; without one problem 40 + 72.6424 are more than 100 as well.
    assert score.total == 0.0
    assert [one.points for one in score.contributors] == [0.0] * 4


@given(WORDS, st.sampled_from(TrustComponent), st.floats(0.5, 50))
def test_a_component_that_counts_more_pulls_the_total_towards_itself(
    words: list[Word], name: TrustComponent, more: float
) -> None:
    before = score_of(words)
    after = score_of(words, weights={**COMPONENT_WEIGHTS, name: COMPONENT_WEIGHTS[name] + more})
    own = before.components[name]
    if own is None:
        assert after.total == before.total
    else:
        assert before.total is not None
        assert after.total is not None
        assert abs(after.total - own) <= abs(before.total - own) + EXACT


@given(WORDS, st.floats(0.1, 10))
def test_only_the_proportions_of_weights_matter(words: list[Word], times: float) -> None:
    scaled = {name: weight * times for name, weight in COMPONENT_WEIGHTS.items()}
    before, after = score_of(words).total, score_of(words, weights=scaled).total
    assert after == (None if before is None else pytest.approx(before, abs=EXACT))


def test_the_house_weights_sum_to_a_hundred() -> None:
    assert sum(COMPONENT_WEIGHTS.values()) == 100
    assert set(COMPONENT_WEIGHTS) == set(TrustComponent)


@given(WORDS)
def test_scores_are_between_nothing_and_a_hundred(words: list[Word]) -> None:
    score = score_of(words)
    values = [score.total, *score.components.values()]
    assert all(value is None or 0 <= value <= 100 for value in values)
    assert (score.total is None) is (not words)


@given(WORDS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter_to_the_last_bit(words: list[Word], random: Any) -> None:
    shuffled = [*words]
    random.shuffle(shuffled)
    assert score_of(shuffled) == score_of(words)


@given(BAD, st.data())
def test_resolving_never_lowers_anything(words: list[Word], data: st.DataObject) -> None:
    bad = data.draw(st.sampled_from([one for one in words if one.is_bad]))
    before, after = score_of(words), score_of(_resolve(words, bad))
    assert _is_no_lower(before.total, after.total)
    assert all(
        _is_no_lower(before.components[name], after.components[name]) for name in before.components
    )


@given(BAD, st.data())
def test_a_lower_severity_never_lowers_the_score(words: list[Word], data: st.DataObject) -> None:
    bad = data.draw(st.sampled_from([one for one in words if one.is_bad]))
    milder = data.draw(
        st.sampled_from([severity for severity in Severity if severity.rank <= bad.severity.rank])
    )
    after = [replace(one, severity=milder) if one is bad else one for one in words]
    assert _is_no_lower(score_of(words).total, score_of(after).total)


@given(BAD, st.data())
def test_withdrawing_never_lowers_it_while_the_component_keeps_data(
    words: list[Word], data: st.DataObject
) -> None:
    bad = data.draw(st.sampled_from([one for one in words if one.is_bad]))
    after = [one for one in words if one is not bad]
    assume(any(one.component is bad.component for one in after))
    assert _is_no_lower(score_of(words).total, score_of(after).total)


@given(WORDS, st.integers(2, 5))
def test_a_fleet_many_times_as_large_scores_the_same(words: list[Word], times: int) -> None:
    larger = [
        replace(one, subject=f"{one.subject} {number}") for one in words for number in range(times)
    ]
    total, of_larger = score_of(words).total, score_of(larger).total
    assert of_larger == (None if total is None else pytest.approx(total, abs=EXACT))


@given(BAD)
def test_contributors_give_back_exactly_their_points(words: list[Word]) -> None:
    score = score_of(words)
    assert score.total is not None
    assert len(score.contributors) <= MAX_CONTRIBUTORS
    points = [one.points for one in score.contributors]
    assert points == sorted(points, reverse=True)
    for one in score.contributors:
        mended = [
            replace(said, is_resolved=True)
            if (said.component, said.source, said.key) == (one.component, one.source, one.key)
            else said
            for said in words
        ]
        after = score_of(mended).total
        assert after is not None
        assert after - score.total == pytest.approx(one.points, abs=EXACT)


@given(WORDS, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_the_inputs_hash_does_not_depend_on_the_clock(words: list[Word], later: timedelta) -> None:
    moved = [replace(one, observed_at=one.observed_at + later) for one in words]
    assert score_of(moved).inputs_hash == score_of(words).inputs_hash


@given(BAD, st.data())
def test_the_inputs_hash_tells_a_resolved_problem(words: list[Word], data: st.DataObject) -> None:
    bad = data.draw(st.sampled_from([one for one in words if one.is_bad]))
    assert score_of(_resolve(words, bad)).inputs_hash != score_of(words).inputs_hash


def test_the_inputs_hash_tells_other_weights() -> None:
    words = [word("web-1", "CVE-1", Severity.LOW)]
    other = {**COMPONENT_WEIGHTS, TrustComponent.CVES: 16.0}
    assert score_of(words, weights=other).inputs_hash != score_of(words).inputs_hash


def _resolve(words: list[Word], bad: Word) -> list[Word]:
    return [replace(one, is_resolved=True) if one is bad else one for one in words]


def _is_no_lower(before: float | None, after: float | None) -> bool:
    return (before is None and after is None) or (
        before is not None and after is not None and after >= before - EXACT
    )
