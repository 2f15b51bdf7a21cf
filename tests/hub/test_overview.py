"""The overview: the tenant in a few figures."""

from datetime import timedelta
from typing import Any

from hub.alerts.models import Alert, AlertCategory, AlertState
from hub.clock import utc_now
from hub.database import Database
from hub.detections.models import Detection, DetectionState, RuleKind
from hub.fleet.models import Agent
from hub.overview.queries import Overview, overview, sla_counts
from hub.severity import Severity
from hub.sla.budget import SlaState
from hub.tenancy.models import Tenant
from hub.trust.models import TrustSnapshot
from tests.conftest import Statements
from tests.factories import make_agent

NOW = utc_now()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NONE = dict.fromkeys(Severity, 0)


def alert(tenant: Tenant, name: str, severity: Severity, **columns: Any) -> Alert:
    fields: dict[str, Any] = {
        "tenant_id": tenant.id,
        "fingerprint": name,
        "category": AlertCategory.CAPACITY,
        "severity": severity,
        "title": name,
    } | columns
    return Alert(**fields)


def detection(agent: Agent, number: int, **columns: Any) -> Detection:
    fields: dict[str, Any] = {
        "tenant_id": agent.tenant_id,
        "agent_id": agent.id,
        "number": f"DEV-2026-{number:04}",
        "rule_kind": RuleKind.NEW_USER,
        "technique": "T1136.001",
        "severity": Severity.HIGH,
        "title": "A user was added",
        "first_seen_at": NOW - 3 * DAY,
        "last_seen_at": NOW - HOUR,
    } | columns
    return Detection(**fields)


def snapshot(tenant: Tenant, days_ago: float, total: float | None) -> TrustSnapshot:
    return TrustSnapshot(
        tenant_id=tenant.id,
        computed_at=NOW - days_ago * DAY,
        score_total=total,
        inputs_hash="0" * 64,
    )


async def figures(database: Database, tenant: Tenant) -> Overview:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await overview(session, now=NOW)


async def make_trouble(database: Database, tenant: Tenant) -> None:
    """Store a little of everything that the overview counts, and what it must leave out."""
    agent = await make_agent(database, tenant, last_seen_at=NOW - timedelta(seconds=89))
    await make_agent(database, tenant, last_seen_at=NOW - timedelta(seconds=91))
    await make_agent(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add_all(
            [
                alert(tenant, "one", Severity.CRITICAL),
                alert(tenant, "two", Severity.CRITICAL),
                alert(tenant, "three", Severity.LOW),
                alert(tenant, "over", Severity.HIGH, state=AlertState.RESOLVED, resolved_at=NOW),
                detection(agent, 1),
                detection(agent, 2, last_seen_at=NOW - 25 * HOUR),
                detection(agent, 3, state=DetectionState.ACKNOWLEDGED, acknowledged_at=NOW - HOUR),
                snapshot(tenant, 8, 90.0),
                snapshot(tenant, 1.5, 85.5),
                snapshot(tenant, 0.1, 83.0),
            ]
        )


async def test_counts_what_is_open_and_says_how_the_score_moved(
    database: Database, tenant: Tenant
) -> None:
    await make_trouble(database, tenant)
    assert await figures(database, tenant) == Overview(
        as_of=NOW,
        trust_total=83.0,
        trust_delta_day=-2.5,
        trust_delta_week=-7.0,
        open_alerts=NONE | {Severity.CRITICAL: 2, Severity.LOW: 1},
        open_detections=NONE | {Severity.HIGH: 1},
        agents_online=1,
        agents_offline=2,
    )


async def test_an_empty_tenant_has_zeros_and_no_score(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_trouble(database, other_tenant)
    assert await figures(database, tenant) == Overview(
        as_of=NOW,
        trust_total=None,
        trust_delta_day=None,
        trust_delta_week=None,
        open_alerts=NONE,
        open_detections=NONE,
        agents_online=0,
        agents_offline=0,
    )


async def test_is_one_statement(database: Database, tenant: Tenant, statements: Statements) -> None:
    await figures(database, tenant)
    assert len(statements) == 1, "\n\n".join(statements)


def test_every_sla_state_is_counted() -> None:
    assert sla_counts([]) == dict.fromkeys(SlaState, 0)
