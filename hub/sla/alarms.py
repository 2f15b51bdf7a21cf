"""Alerts that a budget is spent too fast: by the table of the Google SRE workbook.

A page and a ticket are two alerts of one target, each open as long as one of its rules fires.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts, resolve_alerts
from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.severity import Severity
from hub.sla.budget import BurnRule, firing_rules
from hub.sla.observe import ALERT_SOURCE
from hub.sla.queries import SlaStanding

_KINDS = {True: "page", False: "ticket"}
_SEVERITIES = {True: Severity.CRITICAL, False: Severity.MEDIUM}


async def sound_alarms(
    session: AsyncSession, *, tenant_id: UUID, standings: Sequence[SlaStanding], now: datetime
) -> tuple[int, int]:
    """Open and resolve the burn-rate alerts of these targets; return how many of each."""
    due = {alert.fingerprint: alert for one in standings for alert in _alerts(one, now)}
    is_open = set(
        await session.scalars(
            select(col(Alert.fingerprint)).where(
                col(Alert.state) == AlertState.OPEN, col(Alert.source) == ALERT_SOURCE
            )
        )
    )
    new = [alert for fingerprint, alert in due.items() if fingerprint not in is_open]
    if new:
        await record_alerts(session, tenant_id=tenant_id, alerts=new)
    over = is_open - due.keys()
    if over:
        await resolve_alerts(session, tenant_id=tenant_id, fingerprints=over, at=now)
    return len(new), len(over)


def _alerts(standing: SlaStanding, now: datetime) -> list[NewAlert]:
    rates = standing.budget.burn_rates
    firing = firing_rules(rates, window=standing.window)
    alerts = []
    for is_page, kind in _KINDS.items():
        rules = [rule for rule in firing if rule.is_page is is_page]
        if rules:
            alerts.append(
                NewAlert(
                    fingerprint=f"sla_{kind}:{standing.id}",
                    category=AlertCategory.AVAILABILITY,
                    severity=_SEVERITIES[is_page],
                    title=f"{standing.name[:150]}: error budget is spent too fast",
                    description=_description(standing, rules[0]),
                    source=ALERT_SOURCE,
                    opened_at=now,
                )
            )
    return alerts


def _description(standing: SlaStanding, rule: BurnRule) -> str:
    rates = standing.budget.burn_rates
    left = standing.budget.remaining_minutes or 0.0
    return (
        f"Over the last {rule.long} and {rule.short} the budget burns {rates[rule.long]:.1f} and"
        f" {rates[rule.short]:.1f} times as fast as the objective allows (limit"
        f" {rule.factor(standing.window):.1f}); {left:.1f} minutes are left."
    )
