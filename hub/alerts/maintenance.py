"""Maintenance of hosts: for a while no alert of a rule opens, and the time counts in no SLA.

One declaration serves both. What other tools report is theirs to hold back: their alerts open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import any_, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.rule_models import MaintenanceWindow
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, InvalidInput, NotFound
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor
from hub.principal import Principal
from hub.sla.maintenance import declare_maintenance, withdraw_maintenance
from hub.sla.models import SlaTarget
from hub.text import check_text

MAX_REASON_CHARACTERS = 500
LONGEST = timedelta(days=90)
MAX_WINDOWS_AHEAD = 200
_MAX_TAG_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class MaintenanceSpec:
    """When, why, and for whom: an agent, a tag, or all."""

    starts_at: datetime
    ends_at: datetime
    reason: str
    agent_id: UUID | None = None
    tag: str | None = None
    excludes_from_sla: bool = True


async def declare_window(
    session: AsyncSession,
    *,
    principal: Principal,
    spec: MaintenanceSpec,
    now: datetime,
    request_id: str | None = None,
) -> MaintenanceWindow:
    """Declare maintenance. What is open stays open; nothing new opens until it is over."""
    _check_times(spec, now)
    tag = _tag(spec)
    await _check_room(session, now)
    window = MaintenanceWindow(
        tenant_id=principal.tenant_id,
        agent_id=spec.agent_id,
        tag=tag,
        starts_at=spec.starts_at,
        ends_at=spec.ends_at,
        reason=check_text(spec.reason, field="reason", max_characters=MAX_REASON_CHARACTERS),
        created_by=principal.label,
        created_at=now,
    )
    if spec.excludes_from_sla:
        for target_id in await _sla_targets(session, spec.agent_id, tag):
            declared = await declare_maintenance(
                session,
                principal=principal,
                target_id=target_id,
                starts_at=spec.starts_at,
                ends_at=spec.ends_at,
                reason=spec.reason,
                now=now,
                request_id=request_id,
            )
            window.sla_maintenance_ids = [*window.sla_maintenance_ids, str(declared.id)]
    session.add(window)
    await session.flush()
    event = _event(EventType.MAINTENANCE_DECLARED, principal, window, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return window


async def withdraw_window(
    session: AsyncSession,
    *,
    principal: Principal,
    window_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """End maintenance, or call it off: alerts open again, and the time counts as observed."""
    window = await session.scalar(
        delete(MaintenanceWindow)
        .where(col(MaintenanceWindow.id) == window_id)
        .returning(MaintenanceWindow)
    )
    if window is None:
        raise NotFound("No maintenance has this id.", field="id")
    for identity in window.sla_maintenance_ids:
        try:
            await withdraw_maintenance(
                session,
                principal=principal,
                maintenance_id=UUID(identity),
                now=now,
                request_id=request_id,
            )
        except NotFound:
            continue  # it was withdrawn on its own, or went with its target
    event = _event(EventType.MAINTENANCE_WITHDRAWN, principal, window, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


class WINDOWS:
    """The list's order: latest start first, then id."""

    name = "maintenance_windows"

    @classmethod
    def cursor_at(cls, starts_at: datetime, identity: UUID) -> str:
        """Return the cursor after this window."""
        return encode_cursor(cls.name, starts_at, identity)


async def windows_page(
    session: AsyncSession, *, now: datetime, is_over: bool = False, first: int, after: str | None
) -> Page[tuple[MaintenanceWindow, str | None]]:
    """Return windows with the names of their hosts: those to come or under way, or those past."""
    check_page_size(first)
    ends_at = col(MaintenanceWindow.ends_at)
    is_wanted = ends_at <= now if is_over else ends_at > now
    total = select(func.count()).select_from(MaintenanceWindow).where(is_wanted).scalar_subquery()
    order = (col(MaintenanceWindow.starts_at), col(MaintenanceWindow.id))
    statement = (
        select(MaintenanceWindow, col(Agent.name), total)
        .outerjoin(Agent, col(Agent.id) == col(MaintenanceWindow.agent_id))
        .where(is_wanted)
        .order_by(*(column.desc() for column in order))
        .limit(first + 1)
    )
    if after is not None:
        key = decode_cursor(WINDOWS.name, after, datetime, UUID)
        statement = statement.where(tuple_(*order) < key)
    rows = (await session.execute(statement)).all()
    windows = [(row[0], row[1]) for row in rows]
    return Page.of(windows, first=first, total=rows[0][2] if rows else 0)


def _check_times(spec: MaintenanceSpec, now: datetime) -> None:
    for field, moment in (("starts_at", spec.starts_at), ("ends_at", spec.ends_at)):
        if moment.tzinfo is None:
            raise InvalidInput(
                f"`{field}` needs an offset, as 2026-11-03T08:00:00Z has.", field=field
            )
    if spec.ends_at <= max(spec.starts_at, now):
        raise InvalidInput(
            "`ends_at` must be after `starts_at` and in the future.", field="ends_at"
        )
    if spec.ends_at - spec.starts_at > LONGEST:
        raise InvalidInput(
            f"`ends_at` may be at most {LONGEST.days} days after `starts_at`.", field="ends_at"
        )


def _tag(spec: MaintenanceSpec) -> str | None:
    if spec.tag is None:
        return None
    if spec.agent_id is not None:
        raise InvalidInput("`tag` and `agent` exclude each other; leave one out.", field="tag")
    tag = check_text(spec.tag, field="tag", max_characters=_MAX_TAG_CHARACTERS)
    if not tag:
        raise InvalidInput("`tag` must name a tag such as env:prod.", field="tag")
    return tag


async def _check_room(session: AsyncSession, now: datetime) -> None:
    ahead = await session.scalar(
        select(func.count(col(MaintenanceWindow.id))).where(col(MaintenanceWindow.ends_at) > now)
    )
    if (ahead or 0) >= MAX_WINDOWS_AHEAD:
        raise Conflict(
            f"At most {MAX_WINDOWS_AHEAD} windows may lie ahead; withdraw some, or use a tag."
        )


async def _sla_targets(
    session: AsyncSession, agent_id: UUID | None, tag: str | None
) -> Sequence[UUID | None]:
    """Return the targets that are about the hosts of the window; None stands for all of them."""
    if agent_id is None and tag is None:
        return [None]
    return (
        await session.scalars(
            select(col(SlaTarget.id))
            .join(Agent, col(Agent.id) == col(SlaTarget.agent_id))
            .where(or_(col(Agent.id) == agent_id, any_(col(Agent.tags)) == tag))
            .order_by(col(SlaTarget.id))
        )
    ).all()


def _event(
    event_type: EventType,
    principal: Principal,
    window: MaintenanceWindow,
    request_id: str | None,
) -> AuditEvent:
    return AuditEvent.by(
        principal,
        event_type,
        details={
            "maintenance": str(window.id),
            "agent": str(window.agent_id) if window.agent_id else None,
            "tag": window.tag,
            "starts_at": window.starts_at.isoformat(),
            "ends_at": window.ends_at.isoformat(),
        },
        body=window.reason,
        request_id=request_id,
    )
