"""Words: the newest thing a source said about one subject and key, and how words add up.

Everything that the score needs of a subject is in its *tally*, and tallies of different subjects
simply add. So a new signal changes the score by the difference of two small tallies, and adding up
all subjects from nothing gives the same numbers: one definition serves both.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import orjson

from hub.severity import Severity
from hub.trust.models import TrustComponent

_DIGEST_BYTES = 32
_DIGEST_SPACE = 1 << (8 * _DIGEST_BYTES)

type Identity = tuple[str, str, str]  # source, subject, key
type SourceKey = tuple[TrustComponent, str]
type ProblemKey = tuple[TrustComponent, str, str]  # component, source, key


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
    since: datetime | None = None  # of an unbroken run of bad words: the first of them
    is_resolved: bool = False

    @property
    def identity(self) -> Identity:
        """What it is about: there is one newest word for each."""
        return self.source, self.subject, self.key

    @property
    def is_bad(self) -> bool:
        """Whether it speaks against the tenant."""
        return not self.is_resolved and self.severity is not Severity.INFO

    @property
    def counts_as(self) -> Severity:
        """The severity that it has for the score: info when it is resolved."""
        return self.severity if self.is_bad else Severity.INFO

    @property
    def began_at(self) -> datetime:
        """When what it says began."""
        return self.since or self.observed_at

    def followed_by(self, newer: "Word") -> "Word":
        """Return what counts once the newer word was heard; an older one changes nothing."""
        if newer.observed_at < self.observed_at:
            return self
        if newer.observed_at == self.observed_at:
            return replace(self, is_resolved=self.is_resolved or newer.is_resolved)
        goes_on = self.is_bad and newer.severity is not Severity.INFO
        return replace(newer, since=self.began_at if goes_on else newer.observed_at)


class Tally:
    """How many words, subjects looked at, and subjects with each problem: sums over subjects."""

    def __init__(self) -> None:
        self.words: Counter[SourceKey] = Counter()
        self.looked_at: Counter[SourceKey] = Counter()
        self.affected: Counter[tuple[ProblemKey, Severity]] = Counter()
        # Those of them that the source gave no info signal about; `info` counts the resolved.
        self.lone: Counter[tuple[ProblemKey, Severity]] = Counter()

    @classmethod
    def of(cls, words: Iterable[Word]) -> Self:
        """Add up these words."""
        tally = cls()
        tally.add_words(words)
        return tally

    def add_words(self, words: Iterable[Word], *, times: int = 1) -> None:
        """Add all words that sources said about their subjects; `times=-1` takes them away."""
        by_subject: dict[tuple[TrustComponent, str, str], list[Word]] = defaultdict(list)
        for word in words:
            by_subject[word.component, word.source, word.subject].append(word)
        for said in by_subject.values():
            self._add_subject(said, times)

    def _add_subject(self, words: list[Word], times: int) -> None:
        source: SourceKey = (words[0].component, words[0].source)
        is_looked_at = any(word.severity is Severity.INFO for word in words)
        self.words[source] += times * len(words)
        if is_looked_at:
            self.looked_at[source] += times
        for word in words:
            problem = (*source, word.key)
            if word.is_bad:
                self.affected[problem, word.severity] += times
            if not is_looked_at:
                self.lone[problem, word.counts_as] += times


def digest_of(word: Word) -> int:
    """Return the word's part of the inputs' digest: all that the score depends on, no clock."""
    said = [word.component.value, word.source, word.subject, word.key, word.counts_as.value]
    return int.from_bytes(hashlib.sha256(orjson.dumps(said)).digest())


def digest_sum(start: bytes, added: Iterable[Word], removed: Iterable[Word] = ()) -> bytes:
    """Return the digest after words came and went: a sum, so their order does not matter."""
    total = int.from_bytes(start)
    total += sum(map(digest_of, added)) - sum(map(digest_of, removed))
    return (total % _DIGEST_SPACE).to_bytes(_DIGEST_BYTES)
