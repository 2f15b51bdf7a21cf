"""Writes of the alerting domain: an alert opens once for one cause, and is resolved once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Text, any_, func, literal, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.clock import utc_now
from hub.severity import Severity

_IS_OPEN = text("state = 'open'")


@dataclass(frozen=True, slots=True)
class NewAlert:
    """Something that is wrong, or was until `resolved_at`.

    Two reports with one fingerprint tell of the same alert as long as it is open.
    """

    fingerprint: str
    category: AlertCategory
    severity: Severity
    title: str
    description: str = ""
    agent_id: UUID | None = None
    rule_id: UUID | None = None
    source: str = "hub"
    opened_at: datetime | None = None
    resolved_at: datetime | None = None


async def record_alerts(
    session: AsyncSession, *, tenant_id: UUID, alerts: Sequence[NewAlert]
) -> dict[str, UUID]:
    """Store alerts, over or not; return the ids of those that are open, by fingerprint.

    One that is open already keeps its id and its start, and takes the new words and severity: two
    evaluators that see the same trouble at once make one alert, by the unique index.
    """
    over = [alert for alert in alerts if alert.resolved_at is not None]
    # Sorted, so that two writers lock the same alerts in one order.
    by_fingerprint = {alert.fingerprint: alert for alert in alerts if alert.resolved_at is None}
    still_open = [by_fingerprint[fingerprint] for fingerprint in sorted(by_fingerprint)]
    statement = postgresql.insert(Alert)
    if over:
        await session.execute(statement, [_row(tenant_id, alert) for alert in over])
    if not still_open:
        return {}
    stored = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "fingerprint"],
            index_where=_IS_OPEN,
            set_={name: statement.excluded[name] for name in ("severity", "title", "description")},
        ).returning(col(Alert.fingerprint), col(Alert.id)),
        [_row(tenant_id, alert) for alert in still_open],
    )
    return {row.fingerprint: row.id for row in stored}


async def open_alert(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    fingerprint: str,
    category: AlertCategory,
    severity: Severity,
    title: str,
    description: str = "",
    agent_id: UUID | None = None,
    source: str = "hub",
    at: datetime | None = None,
) -> UUID:
    """Open an alert, or find the one that is open for this cause; return its id."""
    alert = NewAlert(
        fingerprint=fingerprint,
        category=category,
        severity=severity,
        title=title,
        description=description,
        agent_id=agent_id,
        source=source,
        opened_at=at,
    )
    return (await record_alerts(session, tenant_id=tenant_id, alerts=[alert]))[fingerprint]


async def resolve_alerts(
    session: AsyncSession, *, tenant_id: UUID, fingerprints: Collection[str], at: datetime
) -> int:
    """Resolve the open alerts of these causes; return how many were open."""
    # Locked in the order in which `record_alerts` takes them, so that nobody waits in a ring.
    locked = (
        select(col(Alert.id))
        .where(
            col(Alert.tenant_id) == tenant_id,
            col(Alert.fingerprint) == any_(literal(list(fingerprints), ARRAY(Text))),
            col(Alert.state) == AlertState.OPEN,
        )
        .order_by(col(Alert.fingerprint))
        .with_for_update()
        .cte("locked")
    )
    resolved = await session.scalars(
        update(Alert)
        .where(col(Alert.tenant_id) == tenant_id, col(Alert.id) == locked.c.id)
        .values(state=AlertState.RESOLVED, resolved_at=func.greatest(at, col(Alert.opened_at)))
        .returning(col(Alert.id)),
        execution_options={"synchronize_session": False},
    )
    return len(resolved.all())


async def resolve_alert(
    session: AsyncSession, *, tenant_id: UUID, fingerprint: str, at: datetime
) -> bool:
    """Resolve the open alert of this cause; tell whether there was one."""
    count = await resolve_alerts(session, tenant_id=tenant_id, fingerprints=[fingerprint], at=at)
    return count == 1


async def resolve_alerts_of_agent(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, at: datetime
) -> int:
    """Resolve every open alert of one agent: it is out of service; return how many were open."""
    fingerprints = await session.scalars(
        select(col(Alert.fingerprint)).where(
            col(Alert.agent_id) == agent_id, col(Alert.state) == AlertState.OPEN
        )
    )
    return await resolve_alerts(
        session, tenant_id=tenant_id, fingerprints=fingerprints.all(), at=at
    )


def _row(tenant_id: UUID, alert: NewAlert) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": uuid4(),
        "agent_id": alert.agent_id,
        "rule_id": alert.rule_id,
        "fingerprint": alert.fingerprint,
        "source": alert.source,
        "category": alert.category,
        "severity": alert.severity,
        "title": alert.title,
        "description": alert.description,
        "state": AlertState.RESOLVED if alert.resolved_at else AlertState.OPEN,
        "opened_at": alert.opened_at or utc_now(),
        "resolved_at": alert.resolved_at,
    }
