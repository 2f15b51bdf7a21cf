"""How urgent a vulnerability is: one number from 0 to 10, and what went into it.

    risk = min(10, CVSS x (0.4 + 0.6 x sqrt(likelihood)) x exposure x age)

* CVSS is the base score, or the middle of the severity's band where there is none.
* likelihood is EPSS, at least 0.05; at least 0.9 for what CISA knows to be exploited.
* exposure is 1.25 when one of the hosts listens on a public address, else 1.
* age grows from 1 to 1.25 over the 90 days since it was first seen here.

No factor falls when its cause grows, so a worse fact never lowers the number.
"""

from dataclasses import dataclass
from datetime import date, datetime
from math import sqrt

from hub.severity import Severity

HIGHEST = 10.0
_LEAST_LIKELIHOOD, _EXPLOITED_LIKELIHOOD = 0.05, 0.9
_LEAST_WEIGHT = 0.4
_EXPOSED = 1.25
_OLDEST_DAYS, _OLDEST = 90, 0.25
_MIDDLES = {
    Severity.INFO: 0.0,
    Severity.LOW: 2.0,
    Severity.MEDIUM: 5.5,
    Severity.HIGH: 8.0,
    Severity.CRITICAL: 9.5,
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a vulnerability in this fleet."""

    severity: Severity
    cvss: float | None = None
    epss: float | None = None
    exploited_since: date | None = None
    exposed_hosts: int = 0
    known_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """The number, and the facts behind it in words."""

    score: float
    reasons: tuple[str, ...]


def assess_risk(facts: Circumstances, *, now: datetime) -> Risk:
    """Return how urgent it is."""
    base = _MIDDLES[facts.severity] if facts.cvss is None else facts.cvss
    days = max(0, (now - facts.known_since).days) if facts.known_since else 0
    score = (
        base
        * (_LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * sqrt(_likelihood(facts)))
        * (_EXPOSED if facts.exposed_hosts else 1.0)
        * (1 + _OLDEST * min(days, _OLDEST_DAYS) / _OLDEST_DAYS)
    )
    return Risk(round(min(HIGHEST, score), 1), tuple(_reasons(facts, days)))


def _likelihood(facts: Circumstances) -> float:
    least = _EXPLOITED_LIKELIHOOD if facts.exploited_since else _LEAST_LIKELIHOOD
    return max(least, facts.epss or 0.0)


def _reasons(facts: Circumstances, days: int) -> list[str]:
    rated = f"CVSS {facts.cvss:.1f}" if facts.cvss is not None else f"severity {facts.severity}"
    reasons = [rated]
    if facts.exploited_since:
        reasons.append(f"exploited in the wild (CISA, {facts.exploited_since.isoformat()})")
    if facts.epss is not None:
        reasons.append(f"EPSS {facts.epss:.1%}")
    if facts.exposed_hosts:
        reasons.append(f"{facts.exposed_hosts} of the hosts listen publicly")
    if days:
        reasons.append(f"known for {days} days")
    return reasons
