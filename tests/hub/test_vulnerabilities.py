"""Advisories and findings: what is stored, refreshed, closed and listed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from hub.database import Database
from hub.errors import InvalidInput
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.vulnerabilities.commands import (
    AdvisoryRecord,
    FindingIdentity,
    FindingRecord,
    mark_fixed,
    record_findings,
    store_advisories,
)
from hub.vulnerabilities.models import Advisory, Finding, FindingKind, FindingState
from tests.factories import make_agent

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def advisory(**columns: Any) -> AdvisoryRecord:
    """Return a record with an unused id."""
    fields: dict[str, Any] = {
        "id": f"CVE-2026-{uuid4().hex[:8]}",
        "severity": Severity.HIGH,
        "modified_at": MONDAY,
    } | columns
    return AdvisoryRecord(**fields)


def finding(agent_id: UUID, advisory_id: str, **columns: Any) -> FindingRecord:
    """Return a finding of an npm package."""
    fields: dict[str, Any] = {
        "agent_id": agent_id,
        "advisory_id": advisory_id,
        "kind": FindingKind.PACKAGE,
        "ecosystem": "npm",
        "package_name": "minimist",
        "installed_version": "1.2.5",
        "severity": Severity.HIGH,
        "seen_at": MONDAY,
    } | columns
    return FindingRecord(**fields)


async def stored(database: Database, tenant: Tenant) -> list[Finding]:
    """Return the tenant's findings by package."""
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(Finding).order_by(col(Finding.package_name)))
        return list(rows)


async def one_finding(database: Database, tenant: Tenant, **columns: Any) -> FindingRecord:
    """Record a finding of a new advisory on a new agent."""
    agent = await make_agent(database, tenant)
    known = advisory()
    found = finding(agent.id, known.id, **columns)
    async with database.transaction(tenant_id=tenant.id) as session:
        await store_advisories(session, [known])
        await record_findings(session, tenant_id=tenant.id, findings=[found])
    return found


async def again(
    database: Database, tenant: Tenant, found: FindingRecord, **columns: Any
) -> Finding:
    """Report the same finding once more; return what is stored then."""
    fields = {name: getattr(found, name) for name in FindingRecord.__dataclass_fields__} | columns
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_findings(session, tenant_id=tenant.id, findings=[FindingRecord(**fields)])
    [row] = await stored(database, tenant)
    return row


def identity(found: FindingRecord) -> FindingIdentity:
    """Return what identifies the finding."""
    return FindingIdentity(
        agent_id=found.agent_id,
        advisory_id=found.advisory_id,
        package_name=found.package_name,
    )


async def test_a_newer_record_replaces_and_an_older_one_is_ignored(
    database: Database, tenant: Tenant
) -> None:
    first = advisory(summary="first")
    newer = advisory(id=first.id, summary="newer", modified_at=MONDAY + HOUR)
    older = advisory(id=first.id, summary="older", modified_at=MONDAY - HOUR)
    async with database.transaction(tenant_id=tenant.id) as session:
        await store_advisories(session, [first])
        await store_advisories(session, [newer])
        await store_advisories(session, [older])
        row = await session.get_one(Advisory, first.id)
    assert (row.summary, row.modified_at) == ("newer", MONDAY + HOUR)


async def test_reporting_again_keeps_first_seen_and_moves_last_seen_on(
    database: Database, tenant: Tenant
) -> None:
    found = await one_finding(database, tenant)
    row = await again(database, tenant, found, seen_at=MONDAY + HOUR, installed_version="1.2.6")
    assert (row.first_seen_at, row.last_seen_at) == (MONDAY, MONDAY + HOUR)
    assert (row.installed_version, row.state) == ("1.2.6", FindingState.OPEN)


async def test_a_late_report_changes_nothing(database: Database, tenant: Tenant) -> None:
    found = await one_finding(database, tenant)
    row = await again(database, tenant, found, seen_at=MONDAY - HOUR, installed_version="1.2.4")
    assert (row.last_seen_at, row.installed_version) == (MONDAY, "1.2.5")


async def test_a_kernel_waiting_for_its_reboot_becomes_that(
    database: Database, tenant: Tenant
) -> None:
    found = await one_finding(database, tenant)
    row = await again(
        database, tenant, found, seen_at=MONDAY + HOUR, state=FindingState.REBOOT_PENDING
    )
    assert row.state is FindingState.REBOOT_PENDING


async def test_what_was_fixed_is_closed_and_opens_when_it_comes_back(
    database: Database, tenant: Tenant
) -> None:
    found = await one_finding(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        closed = await mark_fixed(session, identities=[identity(found)], at=MONDAY + HOUR)
        closed_again = await mark_fixed(session, identities=[identity(found)], at=MONDAY + HOUR)
    [row] = await stored(database, tenant)
    assert (closed, closed_again) == (1, 0)
    assert (row.state, row.fixed_at) == (FindingState.FIXED, MONDAY + HOUR)
    # A report from before the fix does not open it; one from after does.
    row = await again(database, tenant, found, seen_at=MONDAY + HOUR / 2)
    assert row.state is FindingState.FIXED
    row = await again(database, tenant, found, seen_at=MONDAY + 2 * HOUR)
    assert (row.state, row.fixed_at, row.first_seen_at) == (FindingState.OPEN, None, MONDAY)


@pytest.mark.parametrize(
    ("accepted_until", "state"),
    [
        (None, FindingState.ACCEPTED),
        (MONDAY + 2 * HOUR, FindingState.ACCEPTED),
        (MONDAY + HOUR, FindingState.OPEN),
    ],
)
async def test_what_a_person_accepted_stays_accepted_until_that_expires(
    accepted_until: datetime | None,
    state: FindingState,
    database: Database,
    tenant: Tenant,
) -> None:
    found = await one_finding(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        row = (await session.scalars(select(Finding))).one()
        row.state = FindingState.ACCEPTED
        row.accepted_until = accepted_until
        await session.flush()
    row = await again(database, tenant, found, seen_at=MONDAY + HOUR)
    assert row.state is state


async def test_a_fixed_finding_is_not_recorded_but_marked(
    database: Database, tenant: Tenant
) -> None:
    with pytest.raises(InvalidInput, match="mark_fixed"):
        await one_finding(database, tenant, state=FindingState.FIXED)
    assert await stored(database, tenant) == []


async def test_a_tenant_cannot_close_what_belongs_to_another(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    found = await one_finding(database, tenant)
    async with database.transaction(tenant_id=other_tenant.id) as session:
        assert await mark_fixed(session, identities=[identity(found)], at=MONDAY + HOUR) == 0
    [row] = await stored(database, tenant)
    assert row.state is FindingState.OPEN
