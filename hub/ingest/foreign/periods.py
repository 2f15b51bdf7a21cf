"""Periods of trouble that another tool tells of: each opens one alert once, and closes its own.

A notification is sent again until it arrives, by several senders at once, and in any order. So each
period is remembered by (source, trouble, start): told again it changes nothing; resolved before it
was told of it becomes an alert that is over; and a late end of an old period leaves a newer alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts, resolve_alerts
from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.ingest.foreign.models import ForeignAlert
from hub.severity import Severity

KEEP_PERIODS = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One period of one trouble, of a host that is known or of none."""

    source: str
    external_id: str
    agent_id: UUID | None
    category: AlertCategory
    severity: Severity
    title: str
    description: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def fingerprint(self) -> str:
        """What is one alert as long as it is open."""
        return f"{self.source}:{self.external_id}"


@dataclass(frozen=True, slots=True)
class _Row:
    ended_at: datetime | None
    alert_id: UUID | None


async def take_period(
    session: AsyncSession, *, tenant_id: UUID, period: Period, now: datetime
) -> bool:
    """Store what is told of one period; tell whether it changed anything."""
    if await _remember(session, tenant_id=tenant_id, period=period, now=now):
        await _begin(session, tenant_id=tenant_id, period=period)
        return True
    row = await _row_of(session, period)
    if row.ended_at is not None:
        return False  # the end is known: nothing that comes later is news
    if period.ended_at is None:
        return await _reword(session, row=row, period=period, now=now)
    await _end(session, tenant_id=tenant_id, period=period, now=now)
    return True


async def forget_old_periods(session: AsyncSession, *, before: datetime) -> None:
    """Let go of periods that ended long ago; nobody sends them again."""
    await session.execute(
        delete(ForeignAlert).where(
            col(ForeignAlert.last_told_at) < before, col(ForeignAlert.ended_at).is_not(None)
        ),
        execution_options={"synchronize_session": False},
    )


async def _remember(
    session: AsyncSession, *, tenant_id: UUID, period: Period, now: datetime
) -> bool:
    """Note the period; tell whether it is new. Who comes second waits, and finds it known."""
    new = await session.scalar(
        postgresql.insert(ForeignAlert)
        .values(
            tenant_id=tenant_id,
            source=period.source,
            external_id=period.external_id,
            started_at=period.started_at,
            ended_at=period.ended_at,
            last_told_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(ForeignAlert.external_id))
    )
    return new is not None


async def _begin(session: AsyncSession, *, tenant_id: UUID, period: Period) -> None:
    alert = NewAlert(
        fingerprint=period.fingerprint,
        category=period.category,
        severity=period.severity,
        title=period.title,
        description=period.description,
        agent_id=period.agent_id,
        source=period.source,
        opened_at=period.started_at,
        resolved_at=period.ended_at,
    )
    opened = await record_alerts(session, tenant_id=tenant_id, alerts=[alert])
    if alert_id := opened.get(period.fingerprint):
        await _update(session, period, alert_id=alert_id)


async def _reword(session: AsyncSession, *, row: _Row, period: Period, now: datetime) -> bool:
    """Take new words for an alert that is open; one that was closed here is not opened again."""
    await _update(session, period, last_told_at=now)
    told = {
        "severity": period.severity,
        "title": period.title,
        "description": period.description,
    }
    same = and_(*(col(getattr(Alert, name)) == value for name, value in told.items()))
    changed = await session.scalar(
        update(Alert)
        .where(col(Alert.id) == row.alert_id, col(Alert.state) == AlertState.OPEN, ~same)
        .values(told)
        .returning(col(Alert.id)),
        execution_options={"synchronize_session": False},
    )
    return changed is not None


async def _end(session: AsyncSession, *, tenant_id: UUID, period: Period, now: datetime) -> None:
    assert period.ended_at is not None  # noqa: S101 - the caller looked
    await _update(session, period, ended_at=period.ended_at, last_told_at=now)
    if await _is_open_anew(session, period):
        return
    await resolve_alerts(
        session, tenant_id=tenant_id, fingerprints=[period.fingerprint], at=period.ended_at
    )


async def _is_open_anew(session: AsyncSession, period: Period) -> bool:
    """Tell whether a later period of the same trouble is still open."""
    later = await session.scalar(
        select(func.count())
        .select_from(ForeignAlert)
        .where(
            col(ForeignAlert.source) == period.source,
            col(ForeignAlert.external_id) == period.external_id,
            col(ForeignAlert.started_at) > period.started_at,
            col(ForeignAlert.ended_at).is_(None),
        )
    )
    return bool(later)


async def _row_of(session: AsyncSession, period: Period) -> _Row:
    statement = (
        select(col(ForeignAlert.ended_at), col(ForeignAlert.alert_id))
        .where(_is(period))
        .with_for_update()
    )
    return _Row(*(await session.execute(statement)).one())


async def _update(session: AsyncSession, period: Period, **values: object) -> None:
    await session.execute(
        update(ForeignAlert).where(_is(period)).values(**values),
        execution_options={"synchronize_session": False},
    )


def _is(period: Period) -> ColumnElement[bool]:
    key = (period.source, period.external_id, period.started_at)
    columns = (
        col(ForeignAlert.source),
        col(ForeignAlert.external_id),
        col(ForeignAlert.started_at),
    )
    return tuple_(*columns) == tuple_(*(literal(value) for value in key))
