"""The lists of vulnerabilities, through the operation files of Claude and of the dashboard."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from hub.database import Database, UnitOfWork
from hub.principal import Principal
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.vulnerabilities.commands import (
    AdvisoryRecord,
    FindingRecord,
    record_findings,
    store_advisories,
)
from hub.vulnerabilities.models import FindingKind, FindingState
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.conftest import Statements
from tests.factories import connector, make_agent, person

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
TOOLS, DASHBOARD = operations("mcp"), operations("dashboard")
CVE = f"CVE-{uuid4().hex[:6]}-0001"


async def ask(
    database: Database,
    principal: Principal,
    name: str,
    variables: dict[str, object] | None = None,
) -> Any:
    """Return the data under the operation's root field."""
    operation = TOOLS.get(name) or DASHBOARD[name]
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        result = await run_operation(
            operation, variables or {}, Context(UnitOfWork(session), principal)
        )
    assert result.errors is None, result.errors
    assert result.data is not None
    [answer] = result.data.values()
    return answer


async def make_findings(database: Database, tenant: Tenant) -> None:
    """Store a kernel that waits for its reboot and an npm package on one host."""
    agent = await make_agent(database, tenant, name="web-1")
    common: dict[str, Any] = {
        "agent_id": agent.id,
        "advisory_id": CVE,
        "severity": Severity.CRITICAL,
        "seen_at": MONDAY,
    }
    async with database.transaction(tenant_id=tenant.id) as session:
        await store_advisories(
            session,
            [
                AdvisoryRecord(
                    id=CVE,
                    severity=Severity.CRITICAL,
                    modified_at=MONDAY,
                    cvss_score=9.8,
                    summary="use after free",
                    aliases=["GHSA-1"],
                )
            ],
        )
        await record_findings(
            session,
            tenant_id=tenant.id,
            findings=[
                FindingRecord(
                    **common,
                    kind=FindingKind.KERNEL,
                    ecosystem="Debian:12",
                    package_name="linux",
                    installed_version="6.1.0-18-amd64",
                    fixed_version="6.1.0-21",
                    state=FindingState.REBOOT_PENDING,
                ),
                FindingRecord(
                    **common,
                    kind=FindingKind.PACKAGE,
                    ecosystem="npm",
                    package_name="minimist",
                    installed_version="1.2.5",
                ),
            ],
        )


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what the clock and other tests' feeds change, after a look at it."""
    answer.pop("advisories_as_of")
    for row in answer["cves"]:
        assert 0 <= row.pop("risk") <= 10
        assert row.pop("risk_reasons")[0] == "CVSS 9.8"
    return answer


async def test_claude_learns_which_kernel_cves_are_open(database: Database, tenant: Tenant) -> None:
    await make_findings(database, tenant)
    answer = await ask(database, connector(tenant), "monsys_list_kernel_cves")
    assert timeless(answer) == {
        "total": 1,
        "cves": [
            {
                "id": CVE,
                "summary": "use after free",
                "cvss": 9.8,
                "severity": "critical",
                "affected_hosts": 1,
                "reboot_pending_hosts": 1,
                "kernels": ["6.1.0-18-amd64"],
                "fixed_in": ["6.1.0-21"],
                "known_since": "2026-11-02T08:00:00+00:00",
            }
        ],
        "page": {"next_cursor": None},
    }


async def test_claude_learns_which_npm_cves_the_fleet_has(
    database: Database, tenant: Tenant
) -> None:
    await make_findings(database, tenant)
    answer = await ask(database, connector(tenant), "monsys_list_os_cves", {"ecosystem": "npm"})
    assert timeless(answer) == {
        "total": 1,
        "cves": [
            {
                "id": CVE,
                "aliases": ["GHSA-1"],
                "package": "minimist",
                "ecosystem": "npm",
                "installed_versions": ["1.2.5"],
                "fixed_in": [],
                "severity": "critical",
                "affected_hosts": 1,
                "first_hosts": ["web-1"],
            }
        ],
        "page": {"next_cursor": None},
    }
    other = await ask(database, connector(tenant), "monsys_list_os_cves", {"ecosystem": "pypi"})
    assert timeless(other) == {"total": 0, "cves": [], "page": {"next_cursor": None}}


@pytest.mark.parametrize("name", ["monsys_list_kernel_cves", "monsys_list_os_cves"])
async def test_a_list_is_one_statement_and_two_for_one_agent(
    name: str, database: Database, tenant: Tenant, statements: Statements
) -> None:
    await make_findings(database, tenant)
    statements.clear()
    assert (await ask(database, connector(tenant), name))["total"] == 1
    assert len(statements) == 1, "\n\n".join(statements)
    statements.clear()
    assert (await ask(database, connector(tenant), name, {"agent": "web-1"}))["total"] == 1
    assert len(statements) == 2, "\n\n".join(statements)


@pytest.mark.parametrize("name", ["dashboard_kernel_cves", "dashboard_os_cves"])
async def test_the_dashboard_asks_the_same_lists(
    name: str, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_findings(database, tenant)
    answer = await ask(database, person(tenant), name)
    assert (answer["totalCount"], [node["id"] for node in answer["nodes"]]) == (1, [CVE])
    assert (await ask(database, person(other_tenant), name))["nodes"] == []
