"""What people do to a detection: acknowledge, reopen, resolve. Each is reversible and audited."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.detections.identity import is_named, no_such_detection
from hub.detections.models import (
    Detection,
    DetectionAction,
    DetectionHistory,
    DetectionState,
)
from hub.principal import Principal
from hub.text import check_text

MAX_NOTE_CHARACTERS = 2000
_EVENTS = {
    DetectionAction.ACKNOWLEDGED: EventType.DETECTION_ACKNOWLEDGED,
    DetectionAction.REOPENED: EventType.DETECTION_REOPENED,
    DetectionAction.RESOLVED: EventType.DETECTION_RESOLVED,
}


@dataclass(frozen=True, slots=True)
class Triage:
    """Which detection was acted on, and whether that changed anything."""

    detection_id: UUID
    has_changed: bool


async def acknowledge_detection(
    session: AsyncSession,
    *,
    principal: Principal,
    number: str,
    note: str | None = None,
    now: datetime,
    request_id: str | None = None,
) -> Triage:
    """Close an open detection after investigation. Done twice, the first acknowledgement stays."""
    cleaned = _note(note)
    act = _Act(DetectionAction.ACKNOWLEDGED, principal, cleaned, now, request_id)
    values = {
        "state": DetectionState.ACKNOWLEDGED,
        "acknowledged_by": principal.label,
        "acknowledged_at": now,
        "acknowledged_note": cleaned,
        "acknowledged_via": principal.kind.value,
    }
    return await _apply(session, act, number, from_=(DetectionState.OPEN,), values=values)


async def reopen_detection(
    session: AsyncSession,
    *,
    principal: Principal,
    number: str,
    note: str | None = None,
    now: datetime,
    request_id: str | None = None,
) -> Triage:
    """Open a detection again; its history keeps who closed it."""
    act = _Act(DetectionAction.REOPENED, principal, _note(note), now, request_id)
    values = {
        "state": DetectionState.OPEN,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "acknowledged_note": None,
        "acknowledged_via": None,
    }
    closed = (DetectionState.ACKNOWLEDGED, DetectionState.RESOLVED)
    return await _apply(session, act, number, from_=closed, values=values)


async def resolve_detection(
    session: AsyncSession,
    *,
    principal: Principal,
    number: str,
    note: str | None = None,
    now: datetime,
    request_id: str | None = None,
) -> Triage:
    """Mark a detection as dealt with; an earlier acknowledgement stays as it was given."""
    cleaned = _note(note)
    act = _Act(DetectionAction.RESOLVED, principal, cleaned, now, request_id)
    values = {
        "state": DetectionState.RESOLVED,
        "acknowledged_by": func.coalesce(col(Detection.acknowledged_by), principal.label),
        "acknowledged_at": func.coalesce(col(Detection.acknowledged_at), now),
        "acknowledged_note": func.coalesce(col(Detection.acknowledged_note), cleaned),
        "acknowledged_via": func.coalesce(col(Detection.acknowledged_via), principal.kind.value),
    }
    unresolved = (DetectionState.OPEN, DetectionState.ACKNOWLEDGED)
    return await _apply(session, act, number, from_=unresolved, values=values)


@dataclass(frozen=True, slots=True)
class _Act:
    """Who does what, when, and with which words."""

    action: DetectionAction
    principal: Principal
    note: str | None
    at: datetime
    request_id: str | None


def _note(note: str | None) -> str | None:
    return check_text(note or "", field="note", max_characters=MAX_NOTE_CHARACTERS) or None


async def _apply(
    session: AsyncSession,
    act: _Act,
    number: str,
    *,
    from_: tuple[DetectionState, ...],
    values: dict[str, Any],
) -> Triage:
    """Change the state if it is one of `from_`, with its history and audit rows; else only look.

    The condition stands in the UPDATE, so of two people at once the second changes nothing.
    """
    is_it = is_named(number)
    changed = await session.execute(
        update(Detection)
        .where(is_it, col(Detection.state).in_(from_))
        .values(values)
        .returning(col(Detection.id), col(Detection.number), col(Detection.rule_kind)),
        execution_options={"synchronize_session": False},
    )
    detection = changed.one_or_none()
    if detection is None:
        detection_id = await session.scalar(select(col(Detection.id)).where(is_it))
        if detection_id is None:
            raise no_such_detection()
        return Triage(detection_id=detection_id, has_changed=False)
    await session.execute(insert(DetectionHistory), [_history_row(act, detection.id)])
    event = _audit_event(act, detection.number, detection.rule_kind)
    await append_events(session, tenant_id=act.principal.tenant_id, events=[event], at=act.at)
    return Triage(detection_id=detection.id, has_changed=True)


def _history_row(act: _Act, detection_id: UUID) -> dict[str, Any]:
    return {
        "tenant_id": act.principal.tenant_id,
        "detection_id": detection_id,
        "action": act.action,
        "at": act.at,
        "user_id": act.principal.user_id,
        "user_label": act.principal.label,
        "via": act.principal.kind.value,
        "note": act.note,
    }


def _audit_event(act: _Act, number: str, rule_kind: str) -> AuditEvent:
    return AuditEvent.by(
        act.principal,
        _EVENTS[act.action],
        details={"detection": number, "rule_kind": str(rule_kind)},
        body=act.note,
        request_id=act.request_id,
    )
