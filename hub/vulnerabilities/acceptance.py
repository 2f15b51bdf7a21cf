"""Accepting a vulnerability: a person decides to live with it, says why, and until when."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Forbidden, InvalidInput, NotFound
from hub.principal import Principal, PrincipalKind
from hub.text import check_text
from hub.vulnerabilities.models import Finding, FindingState
from hub.vulnerabilities.summaries import UNFIXED, SummaryKey, refresh_summaries

LONGEST_DAYS = 365
MIN_REASON_CHARACTERS, MAX_REASON_CHARACTERS = 10, 2000


async def accept_vulnerability(
    session: AsyncSession,
    *,
    principal: Principal,
    advisory_id: str,
    package: str | None = None,
    agent_id: UUID | None = None,
    reason: str,
    days: int,
    now: datetime,
    request_id: str | None = None,
) -> int:
    """Accept an open vulnerability on all hosts, or on one; return how many findings that is.

    It opens again when the acceptance expires, and a fix closes it as any other.
    """
    if principal.kind is not PrincipalKind.SESSION or principal.user_id is None:
        raise Forbidden("Only a signed-in person may accept a vulnerability.")
    conditions: list[Any] = [
        col(Finding.advisory_id) == advisory_id,
        col(Finding.state).in_(UNFIXED),
    ]
    if package is not None:
        conditions.append(col(Finding.package_name) == package)
    if agent_id is not None:
        conditions.append(col(Finding.agent_id) == agent_id)
    if (
        await session.scalar(select(literal(1)).select_from(Finding).where(*conditions).limit(1))
        is None
    ):
        raise NotFound("No open finding of this advisory; list them with osCves.", field="id")
    cleaned, until = _reason(reason), now + timedelta(days=_days(days))
    accepted = await _set(
        session,
        conditions,
        tenant_id=principal.tenant_id,
        state=FindingState.ACCEPTED,
        accepted_reason=cleaned,
        accepted_until=until,
        accepted_by=principal.user_id,
    )
    event = AuditEvent.by(
        principal,
        EventType.VULNERABILITY_ACCEPTED,
        details={"advisory": advisory_id, "findings": accepted, "until": until.isoformat()},
        body=cleaned,
        request_id=request_id,
    )
    await append_events(session, tenant_id=principal.tenant_id, events=[event])
    return accepted


async def reopen_expired(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
    """Open again what was accepted until now; return how many findings that is."""
    conditions = [
        col(Finding.state) == FindingState.ACCEPTED,
        col(Finding.accepted_until) <= now,
    ]
    return await _set(session, conditions, tenant_id=tenant_id, state=FindingState.OPEN)


async def _set(
    session: AsyncSession, conditions: list[Any], *, tenant_id: UUID, **values: Any
) -> int:
    rows = (
        await session.execute(
            update(Finding)
            .values(**values)
            .where(*conditions)
            .returning(
                col(Finding.kind),
                col(Finding.advisory_id),
                col(Finding.package_name),
                col(Finding.ecosystem),
            ),
            execution_options={"synchronize_session": False},
        )
    ).all()
    if rows:
        keys = {SummaryKey.of(*row) for row in rows}
        await refresh_summaries(session, tenant_id=tenant_id, keys=keys)
    return len(rows)


def _days(days: int) -> int:
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"`days` must be between 1 and {LONGEST_DAYS}.", field="days")
    return days


def _reason(reason: str) -> str:
    cleaned = reason.strip()
    if len(cleaned) < MIN_REASON_CHARACTERS:
        raise InvalidInput(
            f"`reason` needs at least {MIN_REASON_CHARACTERS} characters: why is it acceptable?",
            field="reason",
        )
    return check_text(cleaned, field="reason", max_characters=MAX_REASON_CHARACTERS)
