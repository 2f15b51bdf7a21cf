"""The tenant in a few figures, in one SQL statement; the service levels are a second one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.detections.models import Detection, DetectionState
from hub.fleet.models import Agent
from hub.fleet.status import is_in_service, is_online
from hub.severity import Severity
from hub.sla.budget import SlaState
from hub.sla.queries import SlaStanding
from hub.trust.models import TrustSnapshot, TrustState
from hub.trust.reading import delta

DETECTION_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How the tenant is doing right now."""

    as_of: datetime
    trust_total: float | None
    trust_delta_day: float | None
    trust_delta_week: float | None
    open_alerts: Mapping[Severity, int]
    open_detections: Mapping[Severity, int]  # of the last 24 hours
    agents_online: int
    agents_offline: int


async def overview(session: AsyncSession, *, now: datetime) -> Overview:
    """Return the figures as of a moment."""
    statement = select(
        _trust_now(now).label("trust_now"),
        _trust_total(now - timedelta(days=1)).label("trust_day"),
        _trust_total(now - timedelta(days=7)).label("trust_week"),
        _by_severity(Alert, col(Alert.state) == AlertState.OPEN).label("alerts"),
        _by_severity(
            Detection,
            col(Detection.state) == DetectionState.OPEN,
            col(Detection.last_seen_at) >= now - DETECTION_WINDOW,
        ).label("detections"),
        select(func.count())
        .select_from(Agent)
        .where(is_in_service(), is_online(now))
        .scalar_subquery()
        .label("online"),
        select(func.count())
        .select_from(Agent)
        .where(is_in_service())
        .scalar_subquery()
        .label("agents"),
    )
    row = (await session.execute(statement)).one()
    return Overview(
        as_of=now,
        trust_total=row.trust_now,
        trust_delta_day=delta(row.trust_now, row.trust_day),
        trust_delta_week=delta(row.trust_now, row.trust_week),
        open_alerts=_counts(row.alerts),
        open_detections=_counts(row.detections),
        agents_online=row.online,
        agents_offline=row.agents - row.online,
    )


def sla_counts(standings: list[SlaStanding]) -> dict[SlaState, int]:
    """Return how many targets are in each state, those with none included."""
    counted = Counter(standing.budget.state for standing in standings)
    return {state: counted[state] for state in SlaState}


def _trust_now(now: datetime) -> ScalarSelect[float | None]:
    """Select the score that is kept current, or a snapshot that is newer."""
    columns = (
        select(col(table.computed_at).label("at"), col(table.score_total).label("total"))
        .where(col(table.computed_at) <= now)
        .order_by(col(table.computed_at).desc())
        .limit(1)
        .subquery()
        for table in (TrustState, TrustSnapshot)
    )
    scores = union_all(*(select(one) for one in columns)).subquery("scores")
    return select(scores.c.total).order_by(scores.c.at.desc()).limit(1).scalar_subquery()


def _trust_total(moment: datetime) -> ScalarSelect[float | None]:
    return (
        select(col(TrustSnapshot.score_total))
        .where(col(TrustSnapshot.computed_at) <= moment)
        .order_by(col(TrustSnapshot.computed_at).desc())
        .limit(1)
        .scalar_subquery()
    )


def _by_severity(table: type[Alert | Detection], *filters: Any) -> ScalarSelect[Any]:
    groups = (
        select(col(table.severity).label("severity"), func.count().label("rows"))
        .where(*filters)
        .group_by(col(table.severity))
        .subquery()
    )
    return select(func.jsonb_object_agg(groups.c.severity, groups.c["rows"])).scalar_subquery()


def _counts(by_value: Mapping[str, int] | None) -> dict[Severity, int]:
    return {severity: (by_value or {}).get(severity.value, 0) for severity in Severity}
