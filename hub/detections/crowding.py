"""One loud host makes no thousand detections: beyond so many subjects, the rest become one.

Of one rule and one host, `max_subjects` subjects within the rule's window have a detection each.
Further ones are folded into one detection about "other subjects", which counts all of their events
and keeps the first and the last of them with their subjects; it takes further subjects for as long
as it goes on. Only subjects that are at least as bad count against one: however much noise there
is, it hides nothing worse than itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.detections.intake_models import DetectionWindow
from hub.detections.models import Detection, RuleKind
from hub.detections.rule_settings import RuleInForce
from hub.detections.windows import OTHERS, Key, Window, fold
from hub.fleet.array_rows import array_rows

type Rules = Mapping[RuleKind, RuleInForce]
type Stored = Mapping[Key, Sequence[Window]]


@dataclass(frozen=True, slots=True)
class Span:
    """When a subject that has a detection of its own was seen, and how bad it was."""

    started_at: datetime
    ended_at: datetime
    subject: str
    rank: int


@dataclass(slots=True)
class _Fold:
    """A detection of other subjects: from how bad on down, and when, it takes further ones."""

    rank: int
    started_at: datetime
    ended_at: datetime

    def takes(self, window: Window, gap: timedelta) -> bool:
        return (
            window.rank <= self.rank
            and self.started_at - gap <= window.started_at <= self.ended_at + gap
        )


@dataclass(slots=True)
class _Present:
    """The subjects around the moment that is looked at, of which there may be only so many."""

    ending: list[tuple[datetime, str]] = field(default_factory=list)  # a heap
    spans: Counter[str] = field(default_factory=Counter)
    rank: dict[str, int] = field(default_factory=dict)
    of_rank: Counter[int] = field(default_factory=Counter)

    def add(self, span: Span) -> None:
        heappush(self.ending, (span.ended_at, span.subject))
        if not self.spans[span.subject]:
            self.rank[span.subject] = span.rank
            self.of_rank[span.rank] += 1
        self.spans[span.subject] += 1

    def leave_before(self, moment: datetime) -> None:
        while self.ending and self.ending[0][0] < moment:
            _, subject = heappop(self.ending)
            self.spans[subject] -= 1
            if not self.spans[subject]:
                self.of_rank[self.rank[subject]] -= 1

    def has(self, subject: str) -> bool:
        return self.spans[subject] > 0

    def at_least(self, rank: int) -> int:
        return sum(count for one, count in self.of_rank.items() if one >= rank)


def crowded_out(
    opening: Iterable[Window],
    own: Iterable[Span],
    others: Iterable[Window],
    *,
    limit: int,
    gap: timedelta,
) -> list[Window]:
    """Return which of these windows, all of one rule, get no detection of their own."""
    folds = [
        _Fold(one.rank, one.started_at, one.ended_at)
        for one in others
        if not (one.is_closed or one.is_resolved)
    ]
    waiting = sorted(own, key=lambda span: span.started_at, reverse=True)
    present = _Present()
    crowded = []
    for window in sorted(opening, key=lambda one: (one.started_at, one.key.subject)):
        while waiting and waiting[-1].started_at <= window.started_at + gap:
            present.add(waiting.pop())
        present.leave_before(window.started_at - gap)
        taking = next((one for one in folds if one.takes(window, gap)), None)
        is_full = taking is not None or present.at_least(window.rank) >= limit
        if present.has(window.key.subject) or not is_full:
            present.add(_span(window))
            continue
        crowded.append(window)
        if taking is None:
            folds.append(_Fold(window.rank, window.started_at, window.ended_at))
        else:
            taking.ended_at = max(taking.ended_at, window.ended_at)
    return crowded


def _span(window: Window) -> Span:
    return Span(window.started_at, window.ended_at, window.key.subject, window.rank)


async def fold_crowd(
    session: AsyncSession,
    *,
    agent_id: UUID,
    rules: Rules,
    stored: Stored,
    opening: Sequence[Window],
    growing: Sequence[Window],
) -> list[Window]:
    """Return the windows of other subjects that take what has no detection of its own.

    What is folded into them is marked, and told by them instead.
    """
    for window in await _crowded(session, agent_id, rules, stored, opening):
        window.is_folded = True
    others = []
    folding = (window for window in (*opening, *growing) if window.is_folded)
    for kind, folded in _by_kind(folding).items():
        key = Key(kind, OTHERS)
        untold = [one for window in folded for one in window.untold]
        windows = fold(key, stored.get(key, ()), untold, gap=rules[kind].settings.gap)
        others += [one for one in windows if one.has_changed]
    return others


async def _crowded(
    session: AsyncSession,
    agent_id: UUID,
    rules: Rules,
    stored: Stored,
    opening: Sequence[Window],
) -> list[Window]:
    if not opening:
        return []
    by_kind = _by_kind(opening)
    own = await _own_spans(session, agent_id=agent_id, rules=rules, by_kind=by_kind)
    return [
        window
        for kind, windows in by_kind.items()
        for window in crowded_out(
            windows,
            own[kind],
            stored.get(Key(kind, OTHERS), ()),
            limit=rules[kind].settings.max_subjects,
            gap=rules[kind].settings.gap,
        )
    ]


def _by_kind(windows: Iterable[Window]) -> dict[RuleKind, list[Window]]:
    by_kind: dict[RuleKind, list[Window]] = defaultdict(list)
    for window in windows:
        by_kind[window.key.rule_kind].append(window)
    return by_kind


async def _own_spans(
    session: AsyncSession,
    *,
    agent_id: UUID,
    rules: Rules,
    by_kind: Mapping[RuleKind, Sequence[Window]],
) -> dict[RuleKind, list[Span]]:
    """Return, by rule, which subjects have detections of their own around these windows."""
    windows: Any = DetectionWindow
    asked = array_rows(
        "asked",
        {"rule_kind": Text(), "since": windows.ended_at.type, "until": windows.started_at.type},
        [
            (
                kind.value,
                min(one.started_at for one in of_kind) - rules[kind].settings.gap,
                max(one.started_at for one in of_kind) + rules[kind].settings.gap,
            )
            for kind, of_kind in by_kind.items()
        ],
    )
    rows = await session.execute(
        select(
            windows.rule_kind,
            windows.started_at,
            windows.ended_at,
            windows.subject,
            windows.worst_rank,
        )
        .join(
            asked,
            and_(
                windows.rule_kind == asked.c.rule_kind,
                windows.ended_at >= asked.c.since,
                windows.started_at <= asked.c.until,
            ),
        )
        .join(
            Detection,
            and_(
                col(Detection.id) == windows.detection_id,
                # What is folded into another subject's detection is not the subject's own.
                col(Detection.subject) == windows.subject,
            ),
        )
        .where(windows.agent_id == agent_id, windows.subject != OTHERS)
    )
    spans: dict[RuleKind, list[Span]] = defaultdict(list)
    for kind, *span in rows:
        spans[RuleKind(kind)].append(Span(*span))
    return spans


def point_at_others(folded: Iterable[Window], others: Sequence[Window]) -> None:
    """Let what was folded know the detection that tells of it now."""
    by_kind = _by_kind(others)
    for window in folded:
        within = [
            one
            for one in by_kind[window.key.rule_kind]
            if one.started_at <= window.ended_at and window.started_at <= one.ended_at
        ]
        if within:
            window.detection_id = within[-1].detection_id
