"""Rounds of probes: those that are due are asked, and what they saw becomes time, good or bad.

An answer holds until the next one, at most for two intervals; after that the time is unknown.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.principal import Principal
from hub.sla.commands import add_periods
from hub.sla.models import SlaProbe, SlaSettings
from hub.sla.periods import Period
from hub.sla.probes import Answer, Request, check_url, probe

_AT_ONCE = 50
_HOLDS_FOR_INTERVALS = 2


@dataclass(frozen=True, slots=True)
class DueProbe:
    """A probe whose turn it is."""

    target_id: UUID
    interval: timedelta
    request: Request


async def set_probe(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    target_id: UUID,
    request: Request,
    interval: timedelta,
) -> None:
    """Say how a target's address is asked, from now on."""
    check_url(request.url)
    values = {
        "url": request.url,
        "interval_seconds": int(interval.total_seconds()),
        "timeout_seconds": request.timeout_seconds,
        "expected_status": request.expected_status,
        "verifies_tls": request.verifies_tls,
    }
    await session.execute(
        postgresql.insert(SlaProbe)
        .values(tenant_id=tenant_id, target_id=target_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "target_id"], set_=values)
    )


async def allow_private_addresses(
    session: AsyncSession,
    *,
    principal: Principal,
    is_allowed: bool,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Let this tenant's probes call private addresses, or no longer."""
    await session.execute(
        postgresql.insert(SlaSettings)
        .values(tenant_id=principal.tenant_id, may_probe_private_addresses=is_allowed)
        .on_conflict_do_update(
            index_elements=["tenant_id"], set_={"may_probe_private_addresses": is_allowed}
        )
    )
    event = AuditEvent.by(
        principal,
        EventType.SLA_SETTINGS_CHANGED,
        details={"may_probe_private_addresses": is_allowed},
        request_id=request_id,
    )
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)


async def due_probes(session: AsyncSession, *, now: datetime) -> list[DueProbe]:
    """Return the probes whose turn it is, with what the tenant allows them."""
    is_allowed = select(func.bool_or(col(SlaSettings.may_probe_private_addresses)))
    since = func.extract("epoch", now - col(SlaProbe.probed_at))
    rows = await session.execute(
        select(SlaProbe, func.coalesce(is_allowed.scalar_subquery(), False))
        .where(
            # A little early rather than a whole turn late.
            col(SlaProbe.probed_at).is_(None) | (since >= col(SlaProbe.interval_seconds) - 5)
        )
        .order_by(col(SlaProbe.target_id))
    )
    return [
        DueProbe(
            target_id=found.target_id,
            interval=timedelta(seconds=found.interval_seconds),
            request=Request(
                url=found.url,
                timeout_seconds=found.timeout_seconds,
                expected_status=found.expected_status,
                verifies_tls=found.verifies_tls,
                allow_private=allow_private,
            ),
        )
        for found, allow_private in rows
    ]


async def ask(probes: Sequence[DueProbe]) -> dict[UUID, Answer]:
    """Ask all of them, some at once. No transaction is open meanwhile."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(due: DueProbe) -> Answer:
        async with turns:
            return await probe(due.request)

    answers = await asyncio.gather(*map(one, probes))
    return {due.target_id: answer for due, answer in zip(probes, answers, strict=True)}


async def record_answers(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    probes: Sequence[DueProbe],
    answers: dict[UUID, Answer],
    now: datetime,
) -> None:
    """Store the answers, and the time that the answers before them held for.

    Slow answers of one minute may come after those of the next one: what was asked before the last
    answer that is known says nothing new, and its time is counted already.
    """
    asked = {due.target_id: due for due in probes}
    rows = await session.execute(
        select(col(SlaProbe.target_id), col(SlaProbe.probed_at), col(SlaProbe.is_good))
        .where(col(SlaProbe.target_id).in_(asked))
        .order_by(col(SlaProbe.target_id))
        .with_for_update()
    )
    periods = []
    for target_id, probed_at, is_good in rows.all():
        if probed_at is not None and probed_at >= now:
            continue
        if probed_at is not None and is_good is not None:
            holds_until = probed_at + _HOLDS_FOR_INTERVALS * asked[target_id].interval
            periods.append((target_id, Period(probed_at, min(now, holds_until), is_good)))
        await session.execute(
            update(SlaProbe)
            .where(col(SlaProbe.target_id) == target_id)
            .values(
                probed_at=now,
                is_good=answers[target_id].is_good,
                reason=answers[target_id].reason,
            ),
            execution_options={"synchronize_session": False},
        )
    await add_periods(session, tenant_id=tenant_id, periods=periods)
