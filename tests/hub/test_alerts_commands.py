"""An alert opens once for one cause, and is resolved once."""

import asyncio
from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col

from hub.alerts.commands import (
    NewAlert,
    open_alert,
    record_alerts,
    resolve_alert,
    resolve_alerts,
)
from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.clock import utc_now
from hub.database import Database
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.conftest import Statements

NOW = utc_now().replace(microsecond=0)


def new_alert(fingerprint: str, *, severity: Severity = Severity.HIGH) -> NewAlert:
    return NewAlert(
        fingerprint=fingerprint,
        category=AlertCategory.CAPACITY,
        severity=severity,
        title=f"{fingerprint} is full",
        opened_at=NOW,
    )


async def stored(database: Database, tenant: Tenant) -> list[Alert]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return list(await session.scalars(select(Alert).order_by(col(Alert.opened_at))))


async def test_one_cause_has_one_open_alert_which_takes_the_newer_severity(
    database: Database, tenant: Tenant
) -> None:
    async def report(severity: Severity) -> object:
        async with database.transaction(tenant_id=tenant.id) as session:
            return await open_alert(
                session,
                tenant_id=tenant.id,
                fingerprint="disk:/",
                category=AlertCategory.CAPACITY,
                severity=severity,
                title=f"Disk full ({severity})",
                at=NOW,
            )

    first = await report(Severity.HIGH)
    assert await report(Severity.CRITICAL) == first
    (alert,) = await stored(database, tenant)
    assert (alert.severity, alert.title) == (Severity.CRITICAL, "Disk full (critical)")
    assert (alert.state, alert.opened_at) == (AlertState.OPEN, NOW)


async def test_evaluators_that_see_the_same_trouble_at_once_make_one_alert(
    database: Database, tenant: Tenant
) -> None:
    async def report() -> dict[str, object]:
        async with database.transaction(tenant_id=tenant.id) as session:
            alerts = [new_alert("b"), new_alert("a")]
            return dict(await record_alerts(session, tenant_id=tenant.id, alerts=alerts))

    one, two, three = await asyncio.gather(report(), report(), report())
    assert one == two == three
    assert len(await stored(database, tenant)) == 2


async def test_a_resolved_alert_opens_anew_when_the_trouble_returns(
    database: Database, tenant: Tenant
) -> None:
    later = NOW + timedelta(minutes=5)
    async with database.transaction(tenant_id=tenant.id) as session:
        first = (await record_alerts(session, tenant_id=tenant.id, alerts=[new_alert("a")]))["a"]
        assert await resolve_alert(session, tenant_id=tenant.id, fingerprint="a", at=later)
        assert not await resolve_alert(session, tenant_id=tenant.id, fingerprint="a", at=later)
        second = (await record_alerts(session, tenant_id=tenant.id, alerts=[new_alert("a")]))["a"]
    assert first != second
    states = {
        alert.id: (alert.state, alert.resolved_at) for alert in await stored(database, tenant)
    }
    assert states == {first: (AlertState.RESOLVED, later), second: (AlertState.OPEN, None)}


async def test_many_alerts_past_and_open_cost_two_statements(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    past = [
        NewAlert(
            fingerprint="flap",
            category=AlertCategory.AVAILABILITY,
            severity=Severity.LOW,
            title="Offline",
            opened_at=NOW - timedelta(hours=hours),
            resolved_at=NOW - timedelta(hours=hours, minutes=-5),
        )
        for hours in range(1, 51)
    ]
    still_open = [new_alert(f"disk-{number:02}") for number in range(50)]
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        ids = await record_alerts(session, tenant_id=tenant.id, alerts=[*past, *still_open])
    assert len(statements) == 2
    assert set(ids) == {alert.fingerprint for alert in still_open}
    assert len(await stored(database, tenant)) == 100


async def test_alerts_of_another_tenant_are_not_resolved(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    for each in (tenant, other_tenant):
        async with database.transaction(tenant_id=each.id) as session:
            await record_alerts(session, tenant_id=each.id, alerts=[new_alert("a")])
    async with database.transaction(tenant_id=tenant.id) as session:
        count = await resolve_alerts(
            session, tenant_id=tenant.id, fingerprints=["a", "unknown"], at=NOW
        )
    assert count == 1
    assert [alert.state for alert in await stored(database, other_tenant)] == [AlertState.OPEN]
