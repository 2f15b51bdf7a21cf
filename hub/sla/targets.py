"""Service-level targets as people manage them: made, changed, removed, each written down."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, InvalidInput, NotFound
from hub.fleet.models import Agent
from hub.principal import Principal
from hub.sla.commands import create_target
from hub.sla.models import SlaIndicator, SlaTarget
from hub.sla.probes import Request
from hub.sla.probing import set_probe
from hub.tenancy.step_up import require_fresh_totp
from hub.text import check_text

MAX_NAME_CHARACTERS = 200
FRESH_WITHIN = timedelta(minutes=10)  # between the one-time code and what is destructive
MAX_DESCRIPTION_CHARACTERS = 2000
MIN_INTERVAL, MAX_INTERVAL = timedelta(minutes=1), timedelta(hours=1)
MAX_TIMEOUT_SECONDS = 30.0
_MIN_TIMEOUT_SECONDS = 0.1
_HTTP_STATUSES = range(100, 600)
_HUNDRED = 100.0
_OBSERVED_BY_JOBS = frozenset({SlaIndicator.AGENT_UP, SlaIndicator.ALERT_FREE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a web address is asked, and how often."""

    request: Request
    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """A promise that somebody makes. Percentages are 0 to 100."""

    name: str
    indicator: SlaIndicator
    objective_percent: float
    window_days: int = 30
    is_calendar_month: bool = False
    time_zone: str = "UTC"
    minimum_data_percent: float = 95.0
    description: str = ""
    agent_id: UUID | None = None
    probe: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChange:
    """What is to be different about a target; None leaves it as it is.

    What is observed and over which window stays: another promise is another target, so that the
    history of one always means the same.
    """

    name: str | None = None
    description: str | None = None
    objective_percent: float | None = None
    minimum_data_percent: float | None = None


async def make_target(
    session: AsyncSession,
    *,
    principal: Principal,
    target: NewTarget,
    now: datetime,
    request_id: str | None = None,
) -> UUID:
    """Store a target, and for an address how it is asked; return its id."""
    if (target.indicator is SlaIndicator.HTTP_PROBE) is not (target.probe is not None):
        raise InvalidInput("`probe` goes with the indicator http_probe.", field="probe")
    name = _checked_name(target.name)
    await _check_references(session, name=name, agent_id=target.agent_id)
    made = await create_target(
        session,
        tenant_id=principal.tenant_id,
        name=name,
        indicator=target.indicator,
        objective=_objective(target.objective_percent),
        window_days=target.window_days,
        is_calendar_month=target.is_calendar_month,
        time_zone=target.time_zone,
        minimum_data=_minimum_data(target.minimum_data_percent),
        description=_description(target.description),
        agent_id=target.agent_id,
        is_watched=target.indicator in _OBSERVED_BY_JOBS,
        created_at=now,
    )
    if target.probe is not None:
        await set_probe(
            session,
            tenant_id=principal.tenant_id,
            target_id=made.id,
            request=_checked_request(target.probe),
            interval=target.probe.interval,
        )
    details = {"target": name, "objective_percent": target.objective_percent}
    event = _event(EventType.SLA_TARGET_CREATED, principal, made.id, details, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
    return made.id


async def change_target(
    session: AsyncSession,
    *,
    principal: Principal,
    target_id: UUID,
    change: TargetChange,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Change what is promised, or what it is called. The past is judged by the new promise."""
    if await session.get(SlaTarget, (principal.tenant_id, target_id)) is None:
        raise _unknown()
    values: dict[str, Any] = {}
    if change.name is not None:
        values["name"] = _checked_name(change.name)
        await _check_references(session, name=values["name"], agent_id=None, except_for=target_id)
    if change.description is not None:
        values["description"] = _description(change.description)
    if change.objective_percent is not None:
        values["objective"] = _objective(change.objective_percent)
    if change.minimum_data_percent is not None:
        values["minimum_data"] = _minimum_data(change.minimum_data_percent)
    if not values:
        raise InvalidInput("Say what is to be different: `name`, say.", field="name")
    statement = update(SlaTarget).where(col(SlaTarget.id) == target_id).values(**values)
    name = await session.scalar(
        statement.returning(col(SlaTarget.name)),
        execution_options={"synchronize_session": False},
    )
    details = {"target": name, **{key: values[key] for key in values if key != "description"}}
    event = _event(EventType.SLA_TARGET_CHANGED, principal, target_id, details, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


async def remove_target(
    session: AsyncSession,
    *,
    principal: Principal,
    target_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Remove a target with all that was observed of it. Needs a fresh one-time code."""
    require_fresh_totp(principal, within=FRESH_WITHIN, now=now)
    name = await session.scalar(
        delete(SlaTarget).where(col(SlaTarget.id) == target_id).returning(col(SlaTarget.name)),
        execution_options={"synchronize_session": False},
    )
    if name is None:
        raise _unknown()
    event = _event(EventType.SLA_TARGET_REMOVED, principal, target_id, {"target": name}, request_id)
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


async def _check_references(
    session: AsyncSession, *, name: str, agent_id: UUID | None, except_for: UUID | None = None
) -> None:
    """Raise when another target has this name already, or there is no such agent."""
    has_name = select(1).where(
        col(SlaTarget.name) == name, col(SlaTarget.id).is_distinct_from(except_for)
    )
    is_agent = select(1).where(col(Agent.id) == agent_id)
    row = (await session.execute(select(exists(has_name), exists(is_agent)))).one()
    if row[0]:
        raise Conflict("`name` is another target's name already; choose another.", field="name")
    if agent_id is not None and not row[1]:
        raise NotFound("`agent_id` is no agent's id.", field="agent_id")


def _checked_name(name: str) -> str:
    checked = check_text(name, field="name", max_characters=MAX_NAME_CHARACTERS)
    if not checked:
        raise InvalidInput("`name` must say what people call the target.", field="name")
    return checked


def _objective(percent: float) -> float:
    if not 0 < percent <= _HUNDRED:
        raise InvalidInput(
            "`objective_percent` must be above 0 and up to 100, such as 99.9.",
            field="objective_percent",
        )
    # In decimals: 99.9 / 100 of floats is more than 0.999, and would promise more than was said.
    return float(Decimal(repr(percent)) / 100)


def _minimum_data(percent: float) -> float:
    if not 0 <= percent <= _HUNDRED:
        raise InvalidInput("`minimum_data_percent` must be 0 to 100.", field="minimum_data_percent")
    return percent / _HUNDRED


def _description(text: str) -> str:
    if not text:
        return ""
    return check_text(text, field="description", max_characters=MAX_DESCRIPTION_CHARACTERS)


def _checked_request(probe: Probe) -> Request:
    if not MIN_INTERVAL <= probe.interval <= MAX_INTERVAL:
        raise InvalidInput("`interval_seconds` must be 60 to 3600.", field="interval_seconds")
    if not _MIN_TIMEOUT_SECONDS <= probe.request.timeout_seconds <= MAX_TIMEOUT_SECONDS:
        raise InvalidInput("`timeout_seconds` must be 0.1 to 30.", field="timeout_seconds")
    if probe.request.expected_status not in _HTTP_STATUSES:
        raise InvalidInput("`expected_status` must be 100 to 599.", field="expected_status")
    return probe.request


def _event(
    event_type: EventType,
    principal: Principal,
    target_id: UUID,
    details: dict[str, Any],
    request_id: str | None,
) -> AuditEvent:
    return AuditEvent.by(
        principal,
        event_type,
        details={"id": str(target_id), **details},
        request_id=request_id,
    )


def _unknown() -> NotFound:
    return NotFound("No service-level target has this id.", field="id")
