"""Signals that the hub itself has: from findings, and from how alerts and detections are handled.

Each collection says what is true now as (subject, key, title, severity, since); the difference to
the words that are known becomes signals. So nothing has to be hooked into those who write alerts or
findings, and what was missed once is caught up with the next time.

A source that somebody else reports under the same name is left to them: two reporters of one source
would contradict each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.detections.models import Detection, DetectionState
from hub.fleet.models import Agent, AgentPackage
from hub.fleet.status import is_in_service
from hub.severity import Severity, severity_of
from hub.trust.commands import Signal, record_signals
from hub.trust.host_facts import backups, certificates, identities
from hub.trust.models import TrustComponent, TrustSource, TrustWord
from hub.trust.score import WINDOW
from hub.vulnerabilities.models import Advisory, Finding, FindingState

# A turn holds the event loop for some milliseconds; others have theirs between turns.
SIGNALS_A_TURN = 200
# Said again before the window forgets it, as long as it is true.
_SAY_AGAIN_AFTER = WINDOW / 2
_NOW = bindparam("now", type_=DateTime(timezone=True))
_LOOKED_AT = "looked_at"
_DAY = timedelta(days=1)
# How long an alert or a detection may wait before it speaks against the tenant, and how loudly.
_PATIENCE = {
    Severity.CRITICAL: (_DAY, Severity.HIGH),
    Severity.HIGH: (_DAY, Severity.MEDIUM),
    Severity.MEDIUM: (3 * _DAY, Severity.MEDIUM),
    Severity.LOW: (7 * _DAY, Severity.LOW),
}


@dataclass(frozen=True, slots=True)
class Collection:
    """One source that the hub feeds itself."""

    component: TrustComponent
    source: str
    select_true: Callable[[], Select[*tuple[Any, ...]]]


async def collect_signals(
    session: AsyncSession, collection: Collection, *, tenant_id: UUID, now: datetime
) -> int:
    """Record up to SIGNALS_A_TURN signals; return how many: with that many, call again."""
    if await _is_fed_by_others(session, collection):
        return 0
    missing = await session.execute(_missing(collection), {"now": now})
    signals = [signal for row in missing for signal in _signals(collection, row, now)]
    if not signals:
        gone = await session.execute(_gone(collection), {"now": now})
        signals = [_over(collection, row, now) for row in gone]
    await record_signals(session, tenant_id=tenant_id, signals=signals, at=now, is_collected=True)
    return len(signals)


async def _is_fed_by_others(session: AsyncSession, collection: Collection) -> bool:
    is_collected = await session.scalar(
        select(func.bool_and(col(TrustSource.is_collected))).where(
            col(TrustSource.source) == collection.source
        )
    )
    return is_collected is False


def _signals(collection: Collection, row: Any, now: datetime) -> Sequence[Signal]:
    """Return the signal that it is so now, after one that says since when."""
    began_at = min(row.since, now)
    moments = [began_at, now] if row.is_new and now - began_at >= _SAY_AGAIN_AFTER else [now]
    return [
        Signal(
            component=collection.component,
            source=collection.source,
            subject=row.subject,
            key=row.key,
            title=row.title,
            severity=Severity(row.severity),
            observed_at=began_at if row.is_new and moments == [now] else moment,
        )
        for moment in moments
    ]


def _over(collection: Collection, row: Any, now: datetime) -> Signal:
    return Signal(
        component=collection.component,
        source=collection.source,
        subject=row.subject,
        key=row.key,
        title=row.title,
        severity=row.severity,
        observed_at=row.observed_at,
        resolved_at=now,
    )


def _known(collection: Collection, true: Any) -> ColumnElement[bool]:
    return and_(
        col(TrustWord.source) == collection.source,
        col(TrustWord.subject) == true.c.subject,
        col(TrustWord.key) == true.c.key,
    )


@cache
def _missing(collection: Collection) -> Select[*tuple[Any, ...]]:
    """Select what is true and not said, said otherwise, or said long ago."""
    true = collection.select_true().subquery("true")
    observed_at = col(TrustWord.observed_at)
    return (
        select(*true.c, observed_at.is_(None).label("is_new"))
        .outerjoin(TrustWord, _known(collection, true))
        .where(
            or_(
                observed_at.is_(None),
                col(TrustWord.severity) != true.c.severity,
                col(TrustWord.is_resolved),
                observed_at < _NOW - _SAY_AGAIN_AFTER,
            )
        )
        .order_by(true.c.subject, true.c.key)
        .limit(SIGNALS_A_TURN)
    )


@cache
def _gone(collection: Collection) -> Select[*tuple[Any, ...]]:
    """Select what was said and is no longer true."""
    true = collection.select_true().subquery("true")
    return (
        select(
            col(TrustWord.subject),
            col(TrustWord.key),
            col(TrustWord.title),
            col(TrustWord.severity),
            col(TrustWord.observed_at),
        )
        .where(
            col(TrustWord.source) == collection.source,
            col(TrustWord.component) == collection.component,
            col(TrustWord.key) != _LOOKED_AT,
            col(TrustWord.severity) != Severity.INFO,
            ~col(TrustWord.is_resolved),
            ~exists(select(1).select_from(true).where(_known(collection, true))),
        )
        .order_by(col(TrustWord.subject), col(TrustWord.key))
        .limit(SIGNALS_A_TURN)
    )


def _looked_at(*filters: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Select an info signal for each agent in service that the source can tell about."""
    return select(
        col(Agent.name).label("subject"),
        literal(_LOOKED_AT, Text).label("key"),
        literal("Looked at", Text).label("title"),
        literal(Severity.INFO.value, Text).label("severity"),
        _NOW.label("since"),
    ).where(is_in_service(), *filters)


def _findings() -> Select[*tuple[Any, ...]]:
    """Select the unfixed vulnerabilities of each host, and the hosts whose packages are known."""
    worst = func.max(col(Finding.severity_rank))
    found = (
        select(
            col(Agent.name).label("subject"),
            col(Finding.advisory_id).label("key"),
            func.left(func.min(col(Advisory.summary)), 200).label("title"),
            severity_of(worst).label("severity"),
            func.min(col(Finding.first_seen_at)).label("since"),
        )
        .join(Agent, col(Agent.id) == col(Finding.agent_id))
        .join(Advisory, col(Advisory.id) == col(Finding.advisory_id))
        .where(
            col(Finding.state).in_([FindingState.OPEN, FindingState.REBOOT_PENDING]),
            col(Finding.severity_rank) > Severity.INFO.rank,
            is_in_service(),
        )
        .group_by(col(Agent.name), col(Finding.advisory_id))
    )
    has_packages = exists(
        select(1).where(
            col(AgentPackage.tenant_id) == col(Agent.tenant_id),
            col(AgentPackage.agent_id) == col(Agent.id),
        )
    )
    has_findings = exists(
        select(1).where(
            col(Finding.tenant_id) == col(Agent.tenant_id), col(Finding.agent_id) == col(Agent.id)
        )
    )
    return select(union_all(found, _looked_at(or_(has_packages, has_findings))).subquery())


def _waiting() -> Select[*tuple[Any, ...]]:
    """Select the hosts whose alerts or detections wait too long, and all hosts as looked at."""
    alerts = _waiting_of(
        Alert, col(Alert.state) == AlertState.OPEN, col(Alert.opened_at), "alerts_wait", "Alerts"
    )
    detections = _waiting_of(
        Detection,
        col(Detection.state) == DetectionState.OPEN,
        col(Detection.first_seen_at),
        "detections_wait",
        "Detections",
    )
    return select(union_all(alerts, detections, _looked_at()).subquery())


def _waiting_of(
    table: type[Alert | Detection],
    is_open: ColumnElement[bool],
    began_at: Any,
    key: str,
    what: str,
) -> Select[*tuple[Any, ...]]:
    too_long = [
        and_(col(table.severity) == severity, began_at <= _NOW - patience)
        for severity, (patience, _) in _PATIENCE.items()
    ]
    ranks = zip(too_long, (loudness.rank for _, loudness in _PATIENCE.values()), strict=True)
    worst = func.max(case(*((condition, literal(rank)) for condition, rank in ranks), else_=0))
    return (
        select(
            col(Agent.name).label("subject"),
            literal(key, Text).label("key"),
            literal(f"{what} wait too long", Text).label("title"),
            severity_of(worst).label("severity"),
            func.min(began_at).label("since"),
        )
        .join(Agent, col(Agent.id) == col(table.agent_id))
        .where(is_open, or_(*too_long), is_in_service())
        .group_by(col(Agent.name))
    )


COLLECTIONS = (
    Collection(TrustComponent.CVES, "supply_chain", _findings),
    Collection(TrustComponent.INCIDENT_RESPONSE, "alert_lifecycle", _waiting),
    Collection(TrustComponent.CERT_DNS, "cert_scan", certificates),
    Collection(TrustComponent.BACKUP, "backup_check", backups),
    Collection(TrustComponent.IDENTITY, "identity_audit", identities),
)
