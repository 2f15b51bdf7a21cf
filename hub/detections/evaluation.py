"""What new events of one host mean to the rules, and the detections that follow from it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.detections.baselines import Span, known_subjects, note_subjects
from hub.detections.crowding import fold_crowd, point_at_others
from hub.detections.event_store import NamedEvent, events_between
from hub.detections.growth import (
    Standing,
    grow_detections,
    lock_detections,
    open_detections,
    unite_detections,
)
from hub.detections.models import RuleKind
from hub.detections.rule_settings import RuleInForce
from hub.detections.rules import RULES_BY_EVENT
from hub.detections.window_store import delete_windows, save_windows, windows_within
from hub.detections.windows import OTHERS, Key, Sighted, Window, fold

_MAX_SUBJECT = 300
type _ByKey = Mapping[Key, Sequence[Sighted]]


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose events are evaluated, by which rules, while nobody else evaluates them."""

    tenant_id: UUID
    agent_id: UUID
    started_at: datetime  # since when this host's events are taken
    rules: Mapping[RuleKind, RuleInForce]
    now: datetime


async def evaluate(session: AsyncSession, turn: Turn, events: Sequence[NamedEvent]) -> None:
    """Bring a host's detections up to date with events that are stored and were never evaluated."""
    by_key = _sighted(turn, events)
    if not by_key:
        return
    stored = await windows_within(session, agent_id=turn.agent_id, reaches=_reaches(turn, by_key))
    standings = await _standings(session, stored)
    changed = [
        window
        for key, sighted in by_key.items()
        for window in fold(key, stored.get(key, ()), sighted, gap=_gap(turn, key))
        if window.has_changed
    ]
    growing = [window for window in changed if window.detection_id is not None]
    opening = await _enough(session, turn, by_key, changed)
    await _recall(session, turn, [one for one in (*opening, *growing) if one.has_untold])
    others = await fold_crowd(
        session,
        agent_id=turn.agent_id,
        rules=turn.rules,
        stored=stored,
        opening=opening,
        growing=growing,
    )
    telling = [*(one for one in (*opening, *growing) if not one.is_folded), *others]
    await _follow(session, turn, telling, standings)
    point_at_others((one for one in changed if one.is_folded), others)
    changed += others
    await save_windows(session, tenant_id=turn.tenant_id, agent_id=turn.agent_id, windows=changed)
    if gone := [one.id for window in changed for one in window.gone]:
        await delete_windows(session, gone)


def _sighted(turn: Turn, events: Sequence[NamedEvent]) -> dict[Key, list[Sighted]]:
    """Return what each rule makes of the events; in the order in which they happened."""
    by_key: dict[Key, list[Sighted]] = defaultdict(list)
    for one in events:
        for rule in RULES_BY_EVENT[one.event.kind]:
            in_force = turn.rules.get(rule.kind)
            if in_force is None or not in_force.is_enabled:
                continue
            sighting = rule.sight(one.event, in_force.settings)
            if sighting is None or in_force.ignores(sighting.subject):
                continue
            severity = sighting.severity or rule.guidance.severity
            key = Key(rule.kind, _bounded(sighting.subject))
            by_key[key].append(Sighted(one.id, one.event, sighting, severity.rank))
    return by_key


def _bounded(subject: str) -> str:
    """Return a subject that fits; of two long ones that begin alike each stays itself."""
    if subject == OTHERS:
        return f"{subject!r}"  # somebody named a program like that
    if len(subject) <= _MAX_SUBJECT:
        return subject
    return f"{subject[: _MAX_SUBJECT - 18]}… {sha256(subject.encode()).hexdigest()[:16]}"


def _gap(turn: Turn, key: Key) -> Any:
    return turn.rules[key.rule_kind].settings.gap


def _reaches(turn: Turn, by_key: _ByKey) -> list[tuple[Key, datetime, datetime]]:
    reaches = [
        (key, sighted[0].event.at - _gap(turn, key), sighted[-1].event.at + _gap(turn, key))
        for key, sighted in by_key.items()
    ]
    # And the windows of those that had no detection of their own, which may take further ones.
    by_kind: dict[RuleKind, list[tuple[datetime, datetime]]] = defaultdict(list)
    for key, since, until in reaches:
        by_kind[key.rule_kind].append((since, until))
    return reaches + [
        (Key(kind, OTHERS), min(since for since, _ in spans), max(until for _, until in spans))
        for kind, spans in by_kind.items()
    ]


async def _standings(
    session: AsyncSession, stored: Mapping[Key, Sequence[Window]]
) -> dict[UUID, Standing]:
    windows = [window for of_key in stored.values() for window in of_key]
    ids = {window.detection_id for window in windows if window.detection_id is not None}
    standings = await lock_detections(session, ids) if ids else {}
    for window in windows:
        if window.detection_id is not None:
            standing = standings[window.detection_id]
            window.is_resolved = standing.is_resolved
            window.is_folded = standing.subject == OTHERS != window.key.subject
    return standings


async def _enough(
    session: AsyncSession, turn: Turn, by_key: _ByKey, changed: Sequence[Window]
) -> list[Window]:
    """Return the windows that have no detection yet and are enough for one now."""
    undecided = [window for window in changed if window.detection_id is None]
    new_ones = await _new_to_host(session, turn, by_key, undecided)
    enough: list[Window] = []
    doubtful: list[Window] = []
    for window in undecided:
        is_enough = turn.rules[window.key.rule_kind].rule.is_enough
        hard = [one.point for one in window.added if not one.sighting.only_if_new]
        is_certain = any(one.sighting.is_enough for one in window.added)
        if window.id in new_ones or is_certain or (hard and is_enough is None):
            enough.append(window)
        elif hard and is_enough is not None:
            settings = turn.rules[window.key.rule_kind].settings
            (enough if is_enough(hard, settings) else doubtful).append(window)
    # Those that are wholly of this call were seen in full already.
    older = [window for window in doubtful if window.is_stored or window.gone]
    return [*enough, *await _enough_with_earlier(session, turn, older)]


async def _new_to_host(
    session: AsyncSession, turn: Turn, by_key: _ByKey, undecided: Sequence[Window]
) -> set[UUID]:
    """Return the windows in which a host did something for the first time, and note that it did.

    Something that came late, and had been seen in a later event before, is not new any more.
    """
    spans = {
        key: Span(moments[0], moments[-1])
        for key, sighted in by_key.items()
        if (moments := [one.event.at for one in sighted if one.sighting.only_if_new])
    }
    if not spans:
        return set()
    known = await known_subjects(session, agent_id=turn.agent_id, keys=spans)
    await note_subjects(session, tenant_id=turn.tenant_id, agent_id=turn.agent_id, spans=spans)
    return {
        window.id
        for window in undecided
        if (span := spans.get(window.key)) is not None
        and window.key not in known
        and window.started_at <= span.first <= window.ended_at
        and span.first >= _learned_at(turn, window.key)
    }


def _learned_at(turn: Turn, key: Key) -> datetime:
    learning_time = turn.rules[key.rule_kind].settings.learning_time
    # Before its first report a host is not known either.
    return turn.started_at + learning_time


async def _enough_with_earlier(
    session: AsyncSession, turn: Turn, windows: Iterable[Window]
) -> list[Window]:
    """Return the windows that are enough together with what earlier calls brought."""
    by_rule: dict[RuleKind, list[Window]] = defaultdict(list)
    for window in windows:
        by_rule[window.key.rule_kind].append(window)
    enough = []
    for kind, of_rule in by_rule.items():
        rule = turn.rules[kind]
        moments = [one.event.at for window in of_rule for one in window.added]
        # Farther off than the rule's window nothing has changed.
        sighted = await _sighted_between(
            session,
            turn,
            of_rule,
            since=min(moments) - rule.settings.gap,
            until=max(moments) + rule.settings.gap,
        )
        enough += [
            window
            for window in of_rule
            if rule.rule.is_enough is not None
            and rule.rule.is_enough([one.point for one in _within(window, sighted)], rule.settings)
        ]
    return enough


async def _recall(session: AsyncSession, turn: Turn, windows: Iterable[Window]) -> None:
    """Bring back what earlier calls brought, so that a detection tells of all its events."""
    by_rule: dict[RuleKind, list[Window]] = defaultdict(list)
    for window in windows:
        by_rule[window.key.rule_kind].append(window)
    for of_rule in by_rule.values():
        sighted = await _sighted_between(
            session,
            turn,
            of_rule,
            since=min(window.started_at for window in of_rule),
            until=max(window.ended_at for window in of_rule),
        )
        for window in of_rule:
            window.recalled = _within(window, sighted)


def _within(window: Window, sighted: _ByKey) -> list[Sighted]:
    return [
        one
        for one in sighted.get(window.key, ())
        if window.started_at <= one.event.at <= window.ended_at
    ]


async def _sighted_between(
    session: AsyncSession,
    turn: Turn,
    windows: Sequence[Window],
    *,
    since: datetime,
    until: datetime,
) -> _ByKey:
    """Return what is stored about the subjects of these windows, all of one rule."""
    kind = windows[0].key.rule_kind
    rule = turn.rules[kind].rule
    events = await events_between(
        session,
        agent_id=turn.agent_id,
        kinds=rule.reads,
        since=since,
        until=until,
        addresses={one.key.subject for one in windows} if rule.is_about_address else None,
    )
    return _sighted(replace(turn, rules={kind: turn.rules[kind]}), events)


async def _follow(
    session: AsyncSession,
    turn: Turn,
    windows: Sequence[Window],
    standings: Mapping[UUID, Standing],
) -> None:
    """Let detections follow their windows: they are opened, or grow."""
    opening = [window for window in windows if window.detection_id is None]
    growing = [window for window in windows if window.detection_id is not None]
    if opening:
        await open_detections(
            session,
            tenant_id=turn.tenant_id,
            agent_id=turn.agent_id,
            windows=opening,
            rules=turn.rules,
        )
    for window in growing:
        await unite_detections(
            session, tenant_id=turn.tenant_id, window=window, standings=standings, now=turn.now
        )
    if growing:
        await grow_detections(
            session,
            tenant_id=turn.tenant_id,
            agent_id=turn.agent_id,
            windows=growing,
            rules=turn.rules,
            standings=standings,
        )
