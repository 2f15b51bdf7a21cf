"""Periods of trouble that another tool tells of: each opens one alert once, and closes its own.

A notification is sent again until it arrives, by several senders at once, and in any order. So each
period is remembered by (source, trouble, start): told again it changes nothing; resolved before it
was told of it becomes an alert that is over; and a late end of an old period leaves a newer alone.

What is known of all periods is read and locked at once, thought through one by one (`troubles`),
and written at once: a thousand periods take as many statements as one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, any_, delete, literal, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.alerts.commands import record_alerts
from hub.alerts.models import Alert, AlertState
from hub.fleet.array_rows import array_rows
from hub.ingest.foreign.models import ForeignAlert
from hub.ingest.foreign.period_rows import INSTANT, KEY, KEY_TYPES, PERIODS, TROUBLE_TYPES, is_in
from hub.ingest.foreign.troubles import KnownAlert, KnownPeriod, Period, Trouble

KEEP_PERIODS = timedelta(days=90)


_ALERTS = Alert.__table__  # type: ignore[attr-defined]


async def take_periods(
    session: AsyncSession, *, tenant_id: UUID, periods: Sequence[Period], now: datetime
) -> int:
    """Store what is told of periods; return how many of them changed anything.

    As if they were taken one by one, in the order of their troubles and starts.
    """
    if not periods:
        return 0
    in_order = sorted(periods, key=lambda one: one.key)
    new = await _remember(session, tenant_id=tenant_id, periods=in_order, now=now)
    troubles = await _troubles(session, in_order, new)
    changes = sum(troubles[one.fingerprint].take(one) for one in in_order)
    await _write(session, tenant_id=tenant_id, troubles=troubles.values(), now=now)
    return changes


async def forget_old_periods(session: AsyncSession, *, before: datetime) -> None:
    """Let go of periods that ended long ago; nobody sends them again."""
    await session.execute(
        delete(ForeignAlert).where(
            col(ForeignAlert.last_told_at) < before, col(ForeignAlert.ended_at).is_not(None)
        ),
        execution_options={"synchronize_session": False},
    )


async def _remember(
    session: AsyncSession, *, tenant_id: UUID, periods: Sequence[Period], now: datetime
) -> set[tuple[str, str, datetime]]:
    """Note the periods; return the new ones. Who comes second waits, and finds them known."""
    keys = sorted({one.key for one in periods})
    rows = array_rows("told", KEY_TYPES, keys)
    source = select(literal(tenant_id, Uuid()), *rows.c, literal(now, INSTANT))
    stored = await session.execute(
        postgresql.insert(ForeignAlert)
        .from_select(
            ["tenant_id", *KEY_TYPES, "last_told_at"],
            source.order_by(*rows.c),
            include_defaults=False,
        )
        .on_conflict_do_nothing()
        .returning(*KEY)
    )
    return {(source, name, started_at) for source, name, started_at in stored}


async def _troubles(
    session: AsyncSession, periods: Sequence[Period], new: set[tuple[str, str, datetime]]
) -> dict[str, Trouble]:
    """Return what is known of the troubles, by fingerprint; nobody else changes it meanwhile."""
    keys = sorted({one.key for one in periods})
    names = sorted({one.key[:2] for one in periods})
    troubles = {one.fingerprint: Trouble(one.source, one.external_id) for one in periods}
    for row in await session.execute(_locked_rows(names, keys)):
        known = KnownPeriod(row.started_at, row.ended_at, row.alert_id)
        known.is_new = (row.source, row.external_id, row.started_at) in new
        troubles[f"{row.source}:{row.external_id}"].periods[row.started_at] = known
    for alert in await session.execute(_locked_alerts(sorted(troubles))):
        trouble = troubles[alert.fingerprint]
        trouble.alert = KnownAlert(
            alert.id, alert.opened_at, alert.severity, alert.title, alert.description
        )
        for known in trouble.periods.values():
            known.alert = trouble.alert if known.alert_id == alert.id else None
    return troubles


def _locked_rows(names: Sequence[Any], keys: Sequence[Any]) -> Any:
    """Select the periods themselves, and what else of their troubles is still open."""
    told = array_rows("told", KEY_TYPES, keys)
    troubles = array_rows("troubles", TROUBLE_TYPES, names)
    is_told = select(told.c.started_at).where(*is_in(told))
    return (
        select(*KEY, PERIODS.c.ended_at, PERIODS.c.alert_id)
        .join(
            troubles,
            (PERIODS.c.source == troubles.c.source)
            & (PERIODS.c.external_id == troubles.c.external_id),
        )
        .where(or_(PERIODS.c.ended_at.is_(None), is_told.exists()))
        .order_by(*KEY)
        .with_for_update(of=ForeignAlert)
    )


def _locked_alerts(fingerprints: Sequence[str]) -> Any:
    wanted = any_(literal(list(fingerprints), ARRAY(Text)))
    return (
        select(
            _ALERTS.c.id,
            _ALERTS.c.fingerprint,
            _ALERTS.c.opened_at,
            _ALERTS.c.severity,
            _ALERTS.c.title,
            _ALERTS.c.description,
        )
        .where(_ALERTS.c.fingerprint == wanted, _ALERTS.c.state == AlertState.OPEN)
        .order_by(_ALERTS.c.fingerprint)
        .with_for_update()
    )


async def _write(
    session: AsyncSession, *, tenant_id: UUID, troubles: Iterable[Trouble], now: datetime
) -> None:
    """Store how the troubles stand now."""
    alerts = [(trouble, alert) for trouble in troubles for alert in trouble.touched]
    await _reword(session, [one for _, one in alerts if one.id and one.has_new_words])
    await _resolve(session, [one for _, one in alerts if one.id and one.resolved_at])
    new = [trouble.as_new(alert) for trouble, alert in alerts if alert.id is None]
    opened = await record_alerts(session, tenant_id=tenant_id, alerts=new) if new else {}
    rows = [
        (
            trouble.source,
            trouble.external_id,
            known.started_at,
            known.ended_at,
            known.alert_id_of(opened.get(trouble.fingerprint)),
        )
        for trouble in troubles
        for known in trouble.told
    ]
    if rows:
        await _update(session, rows, now)


async def _reword(session: AsyncSession, alerts: Sequence[KnownAlert]) -> None:
    if not alerts:
        return
    types: dict[str, TypeEngine[Any]] = {
        "id": Uuid(),
        "severity": _ALERTS.c.severity.type,
        "title": Text(),
        "description": Text(),
    }
    told = array_rows("told", types, [(one.id, *one.words) for one in alerts])
    await session.execute(
        update(_ALERTS)
        .where(_ALERTS.c.id == told.c.id)
        .values({name: told.c[name] for name in ("severity", "title", "description")})
    )


async def _resolve(session: AsyncSession, alerts: Sequence[KnownAlert]) -> None:
    if not alerts:
        return
    types: dict[str, TypeEngine[Any]] = {"id": Uuid(), "at": INSTANT}
    over = array_rows("over", types, [(one.id, one.resolved_at) for one in alerts])
    await session.execute(
        update(_ALERTS)
        .where(_ALERTS.c.id == over.c.id)
        .values(state=AlertState.RESOLVED, resolved_at=over.c.at)
    )


async def _update(session: AsyncSession, rows: Sequence[Any], now: datetime) -> None:
    told = array_rows("told", {**KEY_TYPES, "ended_at": INSTANT, "alert_id": Uuid()}, rows)
    await session.execute(
        update(PERIODS)
        .where(*is_in(told))
        .values(ended_at=told.c.ended_at, alert_id=told.c.alert_id, last_told_at=now)
    )
