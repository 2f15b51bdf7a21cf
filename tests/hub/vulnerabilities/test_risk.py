"""The risk: what it is made of, and that a worse fact never lowers it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.severity import Severity
from hub.vulnerabilities.risk import Circumstances, assess_risk
from tests.hub.vulnerabilities.scene import MONDAY

FACTS = st.builds(
    Circumstances,
    severity=st.sampled_from(Severity),
    cvss=st.none() | st.floats(0, 10),
    epss=st.none() | st.floats(0, 1),
    exploited_since=st.none() | st.just(date(2026, 1, 1)),
    exposed_hosts=st.integers(0, 5),
    known_since=st.none() | st.integers(0, 400).map(lambda days: MONDAY - timedelta(days=days)),
)


@given(facts=FACTS, more=st.floats(0, 1))
def test_a_worse_fact_never_lowers_the_risk(facts: Circumstances, more: float) -> None:
    before = assess_risk(facts, now=MONDAY).score
    worse: list[dict[str, Any]] = [
        {"epss": min(1.0, (facts.epss or 0.0) + more)},
        {"exploited_since": date(2026, 1, 1)},
        {"exposed_hosts": facts.exposed_hosts + 1},
        {"known_since": (facts.known_since or MONDAY) - timedelta(days=100 * more)},
    ]
    if facts.cvss is not None:
        worse.append({"cvss": min(10.0, facts.cvss + more)})
    for change in worse:
        assert assess_risk(replace(facts, **change), now=MONDAY).score >= before
    assert 0 <= before <= 10


@pytest.mark.parametrize(
    ("facts", "score", "reasons"),
    [
        (Circumstances(severity=Severity.HIGH), 4.3, ("severity high",)),
        (Circumstances(severity=Severity.HIGH, cvss=9.8), 5.2, ("CVSS 9.8",)),
        (
            Circumstances(
                severity=Severity.HIGH,
                cvss=9.8,
                epss=0.97,
                exploited_since=date(2026, 10, 1),
                exposed_hosts=2,
                known_since=MONDAY - timedelta(days=30),
            ),
            10.0,
            (
                "CVSS 9.8",
                "exploited in the wild (CISA, 2026-10-01)",
                "EPSS 97.0%",
                "2 of the hosts listen publicly",
                "known for 30 days",
            ),
        ),
    ],
)
def test_the_answer_says_what_the_risk_is_made_of(
    facts: Circumstances, score: float, reasons: tuple[str, ...]
) -> None:
    risk = assess_risk(facts, now=MONDAY)
    assert (risk.score, risk.reasons) == (score, reasons)
