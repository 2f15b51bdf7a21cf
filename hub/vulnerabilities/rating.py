"""How bad an advisory is: from its vendor's word, its CVSS vectors, or nothing that it says.

Ubuntu's own word comes first, because Ubuntu rates what it ships and not what upstream wrote.
Of several vectors the highest counts. What nobody rated is medium, and says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from hub.severity import Severity
from hub.vulnerabilities.ecosystems import family_of
from hub.vulnerabilities.records import Affected, Document, Rating

_PARSERS = {"CVSS_V4": CVSS4, "CVSS_V3": CVSS3, "CVSS_V2": CVSS2}
_UBUNTU = "Ubuntu"
_UNIMPORTANT = "unimportant"
_WORDS = {
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
    "low": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_FROM_SCORE = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
UNRATED = Severity.MEDIUM
MALICIOUS = "MAL-"


@dataclass(frozen=True, slots=True)
class Assessment:
    """A severity with what it rests on; `severity` is None where the record says nothing."""

    severity: Severity | None = None
    score: float | None = None
    vector: str | None = None


def assess(document: Document) -> Assessment:
    """Return what the record itself says of its severity."""
    rated = _assess(document.ratings)
    if rated.severity is None and (word := _of_word(document.vendor_word)) is not None:
        return Assessment(word)
    if rated.severity is None and document.id.startswith(MALICIOUS):
        return Assessment(Severity.CRITICAL)  # a package made to do harm
    return rated


def package_severity(affected: Affected) -> Severity | None:
    """Return the severity that the record gives this package alone.

    Debian says `unimportant` of what it does not hold to be a vulnerability of its package,
    whatever upstream's vector scores (CVE-2005-2541 of tar: 10.0).
    """
    if affected.urgency == _UNIMPORTANT and family_of(affected.ecosystem.name) == "Debian":
        return Severity.LOW
    return _assess(affected.ratings).severity


def _assess(ratings: Iterable[Rating]) -> Assessment:
    scored = [found for rating in ratings if (found := _scored(rating)) is not None]
    words = [_of_word(rating.score) for rating in ratings if rating.type == _UBUNTU]
    best = max(scored, default=(None, None), key=lambda found: found[0] or 0.0)
    word = next((word for word in words if word is not None), None)
    severity = word or (severity_of_score(best[0]) if best[0] is not None else None)
    return Assessment(severity, best[0], best[1])


def severity_of_score(score: float) -> Severity:
    """Return CVSS's own word for a base score."""
    if score == 0:
        return Severity.INFO
    return next((severity for least, severity in _FROM_SCORE if score >= least), Severity.LOW)


def _scored(rating: Rating) -> tuple[float, str] | None:
    score = _base_score(rating.type, rating.score)
    return None if score is None else (score, rating.score)


@lru_cache(maxsize=8192)
def _base_score(kind: str, vector: str) -> float | None:
    """Return a vector's base score; a malformed vector rates nothing."""
    if kind not in _PARSERS:
        return None
    try:
        return float(_PARSERS[kind](vector).base_score)
    except (CVSSError, ValueError, KeyError, IndexError):
        return None


def _of_word(word: str | None) -> Severity | None:
    return _WORDS.get(word.strip().lower()) if word else None
