"""The overview as it is read: one row a tenant, however large the fleet is.

The row is right because whoever changes what it counts (an alert, a detection, a host, a target,
a score) marks it stale in the same transaction, by a deferred trigger; the next reader then counts
anew and stores what it found. What changes by itself (a host falls silent, a detection becomes
older than a day, a budget is spent) is counted anew after MAX_AGE. So the figures hold as of
`as_of`, and an acknowledgement shows at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, bindparam, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.overview.models import TenantSummary
from hub.overview.queries import Overview, overview, sla_counts
from hub.prepared import PreparedRead
from hub.severity import Severity
from hub.sla.budget import SlaState
from hub.sla.queries import sla_standings

MAX_AGE = timedelta(seconds=20)
_ROWS = TenantSummary.__table__  # type: ignore[attr-defined]
_FRESH = PreparedRead(
    select(col(TenantSummary.refreshed_at), col(TenantSummary.figures)).where(
        ~col(TenantSummary.is_stale),
        col(TenantSummary.refreshed_at) > bindparam("since", type_=DateTime(timezone=True)),
        col(TenantSummary.refreshed_at) <= bindparam("now", type_=DateTime(timezone=True)),
    )
)


@dataclass(frozen=True, slots=True)
class Summary:
    """How the tenant is doing, and in which states its service levels are."""

    overview: Overview
    sla: Mapping[SlaState, int]


async def current_summary(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> Summary:
    """Return the tenant's figures: the stored row, or, when it is out of date, counted anew."""
    rows = await _FRESH.rows(session, since=now - MAX_AGE, now=now)
    if rows:
        refreshed_at, figures = rows[0]
        return _summary(figures, refreshed_at)
    return await refresh_summary(session, tenant_id=tenant_id, now=now)


async def refresh_summary(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> Summary:
    """Count the tenant's figures and store them.

    The row is locked before anything is counted: a writer that commits meanwhile marks it stale
    after this, never before, so its change cannot be lost. When somebody else holds the row, the
    figures are counted all the same and left to them to store.
    """
    await session.execute(
        postgresql.insert(_ROWS)
        .values(tenant_id=tenant_id, is_stale=True, figures={})
        .on_conflict_do_nothing()
    )
    locked = await session.scalar(select(_ROWS.c.tenant_id).with_for_update(skip_locked=True))
    counted = await overview(session, now=now)
    sla = sla_counts(await sla_standings(session, now=now))
    if locked is not None:
        await session.execute(
            update(_ROWS)
            .where(_ROWS.c.tenant_id == tenant_id)
            .values(is_stale=False, refreshed_at=now, figures=_figures(counted, sla))
        )
    return Summary(counted, sla)


def _figures(counted: Overview, sla: Mapping[SlaState, int]) -> dict[str, Any]:
    return {
        "trust_total": counted.trust_total,
        "trust_delta_day": counted.trust_delta_day,
        "trust_delta_week": counted.trust_delta_week,
        "open_alerts": {one.value: count for one, count in counted.open_alerts.items()},
        "open_detections": {one.value: count for one, count in counted.open_detections.items()},
        "agents_online": counted.agents_online,
        "agents_offline": counted.agents_offline,
        "sla": {one.value: count for one, count in sla.items()},
    }


def _summary(figures: Mapping[str, Any], refreshed_at: datetime) -> Summary:
    values = {name: value for name, value in figures.items() if name != "sla"}
    stored = Overview(as_of=refreshed_at, **values)
    return Summary(
        overview=replace(
            stored,
            open_alerts=_by_severity(figures["open_alerts"]),
            open_detections=_by_severity(figures["open_detections"]),
        ),
        sla={SlaState(name): count for name, count in figures["sla"].items()},
    )


def _by_severity(counts: Mapping[str, int]) -> dict[Severity, int]:
    return {Severity(name): count for name, count in counts.items()}
