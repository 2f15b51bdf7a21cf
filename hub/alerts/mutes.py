"""Mutes: alerts open and are seen, and nobody is told.

A mute is about a rule, an agent, or one alert; for 1, 4 or 24 hours, or until the last open alert
that it is about is over. What is still open when a mute ends is told then, not forgotten.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_models import AlertMute, AlertRule
from hub.alerts.webhooks.models import DeliveryState, WebhookDelivery
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, InvalidInput, NotFound
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor
from hub.principal import Principal
from hub.text import check_text

MAX_REASON_CHARACTERS = 500
MAX_MUTES = 500


class MuteLength(StrEnum):
    """How long nobody is told."""

    ONE_HOUR = "one_hour"
    FOUR_HOURS = "four_hours"
    ONE_DAY = "one_day"
    UNTIL_RESOLVED = "until_resolved"


_LENGTHS = {
    MuteLength.ONE_HOUR: timedelta(hours=1),
    MuteLength.FOUR_HOURS: timedelta(hours=4),
    MuteLength.ONE_DAY: timedelta(hours=24),
}


@dataclass(frozen=True, slots=True)
class MuteSubject:
    """What a mute is about: exactly one of the three."""

    rule_id: UUID | None = None
    agent_id: UUID | None = None
    alert_id: UUID | None = None

    def covers(self) -> ColumnElement[bool]:
        """Return the condition that it is about an alert."""
        if self.alert_id is not None:
            return col(Alert.id) == self.alert_id
        if self.rule_id is not None:
            return col(Alert.rule_id) == self.rule_id
        return col(Alert.agent_id) == self.agent_id


@dataclass(frozen=True, slots=True)
class MuteRow:
    """A mute, with the names of what it is about."""

    mute: AlertMute
    rule_name: str | None
    agent_name: str | None
    alert_title: str | None


async def mute(
    session: AsyncSession,
    *,
    principal: Principal,
    subject: MuteSubject,
    length: MuteLength,
    reason: str,
    now: datetime,
    request_id: str | None = None,
) -> UUID:
    """Tell nobody for a while."""
    if [subject.rule_id, subject.agent_id, subject.alert_id].count(None) != 2:  # noqa: PLR2004
        raise InvalidInput("Name one of `alert`, `rule` and `agent`.", field="alert")
    cleaned = check_text(reason, field="reason", max_characters=MAX_REASON_CHARACTERS)
    is_open = await _is_open(session, subject)
    if length is MuteLength.UNTIL_RESOLVED and not is_open:
        raise Conflict(
            "`length` until_resolved needs an open alert, and there is none; choose a time.",
            field="length",
        )
    if (await _count(session, now)) >= MAX_MUTES:
        raise Conflict(f"At most {MAX_MUTES} mutes may be in force; end some, or mute a rule.")
    made = AlertMute(
        tenant_id=principal.tenant_id,
        rule_id=subject.rule_id,
        agent_id=subject.agent_id,
        alert_id=subject.alert_id,
        reason=cleaned,
        created_by=principal.label,
        created_at=now,
        ends_at=now + _LENGTHS[length] if length in _LENGTHS else None,
    )
    session.add(made)
    await session.flush()
    event = _event(EventType.ALERTS_MUTED, principal, made, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return made.id


async def unmute(
    session: AsyncSession,
    *,
    principal: Principal,
    mute_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """End a mute; what it held back and is still open is told now."""
    ended = await session.scalar(
        delete(AlertMute).where(col(AlertMute.id) == mute_id).returning(AlertMute)
    )
    if ended is None:
        raise NotFound("No mute has this id.", field="id")
    await release_muted(session, now=now)
    event = _event(EventType.ALERTS_UNMUTED, principal, ended, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


async def release_muted(session: AsyncSession, *, now: datetime) -> int:
    """Let go out what mutes held back that are over; return how many notifications that is."""
    released = await session.scalars(
        update(WebhookDelivery)
        .where(
            col(WebhookDelivery.state) == DeliveryState.MUTED,
            col(Alert.id) == col(WebhookDelivery.subject_id),
            col(Alert.state) == AlertState.OPEN,
            ~func.monsys_is_muted(
                col(Alert.tenant_id), col(Alert.id), col(Alert.rule_id), col(Alert.agent_id)
            ),
        )
        .values(state=DeliveryState.PENDING, next_attempt_at=now)
        .returning(col(WebhookDelivery.id)),
        execution_options={"synchronize_session": False},
    )
    return len(released.all())


class MUTES:
    """The list's order: newest first, then id."""

    name = "alert_mutes"

    @classmethod
    def cursor_at(cls, created_at: datetime, identity: UUID) -> str:
        """Return the cursor after this mute."""
        return encode_cursor(cls.name, created_at, identity)


async def mutes_page(
    session: AsyncSession, *, now: datetime, first: int, after: str | None = None
) -> Page[MuteRow]:
    """Return the mutes in force, newest first."""
    check_page_size(first)
    total = select(func.count()).select_from(AlertMute).where(_in_force(now)).scalar_subquery()
    order = (col(AlertMute.created_at), col(AlertMute.id))
    statement = (
        select(AlertMute, col(AlertRule.name), col(Agent.name), col(Alert.title), total)
        .outerjoin(AlertRule, col(AlertRule.id) == col(AlertMute.rule_id))
        .outerjoin(Agent, col(Agent.id) == col(AlertMute.agent_id))
        .outerjoin(Alert, col(Alert.id) == col(AlertMute.alert_id))
        .where(_in_force(now))
        .order_by(*(column.desc() for column in order))
        .limit(first + 1)
    )
    if after is not None:
        statement = statement.where(
            tuple_(*order) < decode_cursor(MUTES.name, after, datetime, UUID)
        )
    rows = (await session.execute(statement)).all()
    mutes = [MuteRow(*row[:4]) for row in rows]
    return Page.of(mutes, first=first, total=rows[0][4] if rows else 0)


async def muted_alerts(session: AsyncSession, alert_ids: Collection[UUID]) -> dict[UUID, bool]:
    """Return which of these alerts nobody is told of; the others are absent."""
    mutes: Any = AlertMute
    is_about = or_(
        col(mutes.alert_id) == col(Alert.id),
        col(mutes.rule_id) == col(Alert.rule_id),
        col(mutes.agent_id) == col(Alert.agent_id),
    )
    rows = await session.scalars(
        select(col(Alert.id))
        .join(AlertMute, and_(is_about, _in_force_now()))
        .where(col(Alert.id).in_(alert_ids), col(Alert.state) == AlertState.OPEN)
        .distinct()
    )
    return dict.fromkeys(rows, True)


def _in_force(now: datetime) -> ColumnElement[bool]:
    return or_(col(AlertMute.ends_at).is_(None), col(AlertMute.ends_at) > now)


def _in_force_now() -> ColumnElement[bool]:
    ends_at: Any = col(AlertMute.ends_at)
    return or_(ends_at.is_(None), ends_at > func.now())


async def _is_open(session: AsyncSession, subject: MuteSubject) -> bool:
    found = await session.scalar(
        select(col(Alert.id)).where(subject.covers(), col(Alert.state) == AlertState.OPEN).limit(1)
    )
    if found is None and subject.alert_id is not None:
        raise NotFound("`alert` names no open alert.", field="alert")
    return found is not None


async def _count(session: AsyncSession, now: datetime) -> int:
    count = await session.scalar(select(func.count(col(AlertMute.id))).where(_in_force(now)))
    return count or 0


def _event(
    event_type: EventType, principal: Principal, made: AlertMute, request_id: str | None
) -> AuditEvent:
    about = {
        name: str(identity)
        for name, identity in (
            ("rule", made.rule_id),
            ("agent", made.agent_id),
            ("alert", made.alert_id),
        )
        if identity is not None
    }
    return AuditEvent.by(
        principal,
        event_type,
        details={
            "mute": str(made.id),
            "ends_at": made.ends_at.isoformat() if made.ends_at else None,
        }
        | about,
        body=made.reason,
        request_id=request_id,
    )
