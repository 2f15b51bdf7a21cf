"""Detections follow their windows: they are opened, they grow, and two become one.

An acknowledged detection grows like an open one and stays acknowledged; a resolved one is left as
it is, apart from what turns out to have happened before its end. A severity never falls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.detections.commands import NewDetection, NewEvent, add_events, record_detections
from hub.detections.intake_models import DetectionWindow
from hub.detections.models import Detection, DetectionEvent, DetectionState, RuleKind
from hub.detections.rule_settings import RuleInForce
from hub.detections.triage import resolve_detection
from hub.detections.windows import OTHERS, Key, Sighted, Window
from hub.principal import Principal, PrincipalKind
from hub.severity import Severity

KEPT_FIRST = 25
KEPT_LAST = 25
_MAX_INTEGER = 2**31 - 1  # what GraphQL's Int holds
_MAX_TITLE = 200
_MAX_SUMMARY = 500
_BY_RANK = {severity.rank: severity for severity in Severity}
_DETECTIONS = Detection.__table__  # type: ignore[attr-defined]
type Rules = Mapping[RuleKind, RuleInForce]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a detection stands, for as long as the transaction lasts."""

    number: str
    is_resolved: bool
    rank: int
    subject: str


async def lock_detections(session: AsyncSession, ids: set[UUID]) -> dict[UUID, Standing]:
    """Return how detections stand, and let nobody triage them until the transaction ends."""
    rows = await session.execute(
        select(
            _DETECTIONS.c.id,
            _DETECTIONS.c.number,
            _DETECTIONS.c.state,
            _DETECTIONS.c.severity_rank,
            _DETECTIONS.c.subject,
        )
        .where(_DETECTIONS.c.id.in_(ids))
        .order_by(_DETECTIONS.c.id)
        .with_for_update()
    )
    return {
        identity: Standing(number, state is DetectionState.RESOLVED, rank, subject)
        for identity, number, state, rank, subject in rows
    }


async def open_detections(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    windows: Sequence[Window],
    rules: Rules,
) -> None:
    """Record a detection for each of these windows, numbered in the order they began."""
    in_order = sorted(windows, key=lambda one: (one.started_at, one.key.rule_kind, one.key.subject))
    recorded = await record_detections(
        session,
        tenant_id=tenant_id,
        detections=[_new(agent_id, window, rules[window.key.rule_kind]) for window in in_order],
    )
    for window, name in zip(in_order, recorded, strict=True):
        window.detection_id = name.id


def _new(agent_id: UUID, window: Window, rule: RuleInForce) -> NewDetection:
    looks = _looks(window, rule)
    return NewDetection(
        agent_id=agent_id,
        rule_kind=rule.rule.kind,
        description=_description(window, rule),
        subject=window.key.subject,
        events=kept_events(agent_id, window),
        severity=_BY_RANK[_rank(window, rule)],
        **looks,
    )


def _description(window: Window, rule: RuleInForce) -> str:
    if window.key.subject != OTHERS:
        return rule.rule.meaning
    return (
        f"{rule.rule.meaning} More than {rule.settings.max_subjects} subjects of this host had a"
        " detection each, so further ones are counted here. The first and the last of their events"
        " are kept with their subjects."
    )


def _title(window: Window, rule: RuleInForce) -> str:
    if window.key.subject == OTHERS:
        return f"{rule.rule.guidance.title}: {OTHERS}"
    return rule.rule.title(window.seen)[:_MAX_TITLE]


def _looks(window: Window, rule: RuleInForce) -> dict[str, Any]:
    seen = window.seen
    return {
        "title": _title(window, rule),
        "first_seen_at": window.started_at,
        "last_seen_at": window.ended_at,
        "event_count": min(window.count, _MAX_INTEGER),
        "source_address": seen.address,
        "target_user": seen.user,
        "process_name": seen.process,
    }


def _rank(window: Window, rule: RuleInForce) -> int:
    return max(window.rank, rule.rule.severity_of(window.seen, rule.settings).rank)


def kept_events(agent_id: UUID, window: Window) -> list[NewEvent]:
    """Return the first and the last of what a window tells anew."""
    told = {one.event_id: one for one in (*window.recalled, *window.added)}
    added = sorted(told.values(), key=lambda one: (one.event.at, one.event_id))
    if len(added) > KEPT_FIRST + KEPT_LAST:
        added = added[:KEPT_FIRST] + added[-KEPT_LAST:]
    return [_new_event(agent_id, window.key, one) for one in added]


def _new_event(agent_id: UUID, key: Key, one: Sighted) -> NewEvent:
    event, subject = one.event, one.sighting.subject
    is_said = key.subject != OTHERS or subject in event.summary
    return NewEvent(
        at=event.at,
        # Of many subjects each event says which one it is about.
        summary=event.summary if is_said else f"{subject}: {event.summary}"[:_MAX_SUMMARY],
        source_address=event.source_address,
        target_user=event.user,
        raw=event.raw,
        # One event can be part of one detection of each rule.
        id=uuid5(agent_id, f"{key.rule_kind} {one.event_id}"),
    )


async def grow_detections(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    windows: Sequence[Window],
    rules: Rules,
    standings: Mapping[UUID, Standing],
) -> None:
    """Bring detections up to date with their windows, and keep their first and last events."""
    changing = ("title", "first_seen_at", "last_seen_at", "event_count", "source_address")
    named = (*changing, "target_user", "process_name", "severity")
    await session.execute(
        update(_DETECTIONS)
        .where(_DETECTIONS.c.tenant_id == tenant_id, _DETECTIONS.c.id == bindparam("its_id"))
        .values({name: bindparam(f"new_{name}") for name in named}),
        [_growth(window, rules[window.key.rule_kind], standings) for window in windows],
    )
    added = [
        (window.detection_id, event)
        for window in windows
        if window.detection_id is not None
        for event in kept_events(agent_id, window)
    ]
    await add_events(session, tenant_id=tenant_id, events=added)
    await _drop_middle_events(session, {detection_id for detection_id, _ in added})


def _growth(
    window: Window, rule: RuleInForce, standings: Mapping[UUID, Standing]
) -> dict[str, Any]:
    standing = standings[window.detection_id] if window.detection_id else None
    rank = max(_rank(window, rule), standing.rank if standing else 0)
    values = _looks(window, rule) | {"severity": _BY_RANK[rank]}
    return {"its_id": window.detection_id} | {
        f"new_{name}": value for name, value in values.items()
    }


async def _drop_middle_events(session: AsyncSession, detection_ids: set[UUID]) -> None:
    event = DetectionEvent
    order: list[Any] = [col(event.at), col(event.id)]
    ranked = (
        select(
            col(event.id),
            func.row_number().over(partition_by=col(event.detection_id), order_by=order).label("n"),
            func.count().over(partition_by=col(event.detection_id)).label("total"),
        )
        .where(col(event.detection_id).in_(detection_ids))
        .subquery()
    )
    middle = select(ranked.c.id).where(
        ranked.c.n > KEPT_FIRST, ranked.c.n <= ranked.c.total - KEPT_LAST
    )
    await session.execute(
        delete(event).where(col(event.id).in_(middle)),
        execution_options={"synchronize_session": False},
    )


async def unite_detections(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    window: Window,
    standings: Mapping[UUID, Standing],
    now: datetime,
) -> None:
    """Fold the detections of windows that turned out to be one into the first.

    A late event closed the gap between them. People know both by number, so the other one is not
    deleted: it is resolved, and says of which it is the continuation.
    """
    kept = standings[window.detection_id] if window.detection_id else None
    for gone in window.gone:
        if kept is None or gone.detection_id is None or gone.detection_id == window.detection_id:
            continue
        await session.execute(
            update(DetectionWindow)
            .where(col(DetectionWindow.detection_id) == gone.detection_id)
            .values(detection_id=window.detection_id),
            execution_options={"synchronize_session": False},
        )
        await session.execute(
            update(DetectionEvent)
            .where(col(DetectionEvent.detection_id) == gone.detection_id)
            .values(detection_id=window.detection_id),
            execution_options={"synchronize_session": False},
        )
        await resolve_detection(
            session,
            principal=_hub(tenant_id),
            number=standings[gone.detection_id].number,
            note=f"It is one with {kept.number}, where its events are counted.",
            now=now,
        )


def _hub(tenant_id: UUID) -> Principal:
    return Principal(
        kind=PrincipalKind.SYSTEM,
        tenant_id=tenant_id,
        user_id=None,
        label="monsys hub",
        permissions=frozenset(),
    )
