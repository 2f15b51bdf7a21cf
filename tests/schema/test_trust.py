"""The Trust Score, through the operation files of Claude and of the dashboard."""

from datetime import timedelta
from typing import Any

from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.principal import Principal
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.trust.commands import Signal, record_signals, take_snapshot
from hub.trust.models import TrustComponent
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import connector, make_agent, person

TOOL = operations("mcp")["monsys_trust_score"]
DASHBOARD = operations("dashboard")["dashboard_trust_score"]


async def score(database: Database, principal: Principal, operation: Any) -> Any:
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        result = await run_operation(operation, {}, Context(UnitOfWork(session), principal))
    assert result.errors is None
    assert result.data is not None
    return result.data["trustScore"]


async def make_drop(database: Database, tenant: Tenant) -> str:
    """Store a good week, then a secret found yesterday; return when that was."""
    now = utc_now()
    found_at = now - timedelta(hours=20)
    signals = [
        Signal(
            component=TrustComponent.IDENTITY,
            source="secrets_scan",
            subject=f"web-{number}",
            key="scanned",
            severity=Severity.INFO,
            observed_at=now - timedelta(days=9),
        )
        for number in range(4)
    ]
    secret = Signal(
        component=TrustComponent.IDENTITY,
        source="secrets_scan",
        subject="web-1",
        key="aws-key",
        title="An AWS key lies in a world-readable file",
        severity=Severity.CRITICAL,
        observed_at=found_at,
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_signals(session, tenant_id=tenant.id, signals=[*signals, secret])
        for days in (8.0, 2.0, 0.0):
            await take_snapshot(session, tenant_id=tenant.id, at=now - timedelta(days=days))
    return found_at.isoformat()


async def test_claude_learns_why_the_score_dropped(database: Database, tenant: Tenant) -> None:
    found_at = await make_drop(database, tenant)
    answer = await score(database, connector(tenant), TOOL)
    # 40 x 1/4 of the hosts, and identity is the only component with data.
    assert (answer["total"], answer["delta_since_yesterday"], answer["delta_7d"]) == (90, -10, -10)
    assert answer["contributors"] == [
        {
            "component": "identity",
            "key": "aws-key",
            "title": "An AWS key lies in a world-readable file",
            "subjects": ["web-1"],
            "affected": 1,
            "since": found_at,
            "points": 10.0,
        }
    ]
    assert answer["changes_7d"] == [
        {
            "title": "An AWS key lies in a world-readable file",
            "since": found_at,
            "points": -10.0,
        }
    ]
    components = {one["component"]: one for one in answer["components"]}
    assert components["identity"] == {
        "component": "identity", "weight": 15, "score": 90, "has_data": True, "delta_7d": -10,
    }  # fmt: skip
    assert components["backup"] == {
        "component": "backup", "weight": 10, "score": None, "has_data": False, "delta_7d": None,
    }  # fmt: skip
    assert len(components) == 8


async def test_before_anything_is_known_there_is_an_answer_without_scores(
    database: Database, tenant: Tenant, other_tenant: Tenant, statements: Statements
) -> None:
    await make_drop(database, other_tenant)
    statements.clear()
    for principal, operation in ((connector(tenant), TOOL), (person(tenant), DASHBOARD)):
        answer = await score(database, principal, operation)
        assert (answer["total"], answer["contributors"]) == (None, [])
        assert [one["score"] for one in answer["components"]] == [None] * 8
    assert len(statements) == 2, "\n\n".join(statements)


async def test_each_contributor_links_to_the_hosts_it_is_about(
    database: Database, tenant: Tenant, other_tenant: Tenant, statements: Statements
) -> None:
    web_1 = await make_agent(database, tenant, name="web-1")
    await make_agent(database, tenant, name="web-2")
    await make_agent(database, other_tenant, name="shop.example")
    await make_drop(database, tenant)
    expired = Signal(
        component=TrustComponent.CERT_DNS,
        source="cert_scan",
        subject="shop.example",  # a domain, and by accident a host of somebody else
        key="expired",
        severity=Severity.HIGH,
        observed_at=utc_now(),
    )
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_signals(session, tenant_id=tenant.id, signals=[expired])
    statements.clear()
    answer = await score(database, person(tenant), DASHBOARD)
    assert {one["key"]: one["agents"] for one in answer["contributors"]} == {
        "aws-key": [{"id": str(web_1.id), "name": "web-1", "status": "offline"}],
        "expired": [],
    }
    assert len(statements) == 2, "\n\n".join(statements)  # the score, and all hosts together
