"""Accepting: by a person, with a reason, until a day; and what brings the finding back."""

import pytest

from hub.errors import Forbidden, InvalidInput, NotFound
from hub.vulnerabilities.acceptance import accept_vulnerability, reopen_expired
from hub.vulnerabilities.models import Finding, FindingState
from hub.vulnerabilities.queries import os_cves_page
from tests.factories import connector, make_user, person
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record

REASON = "Only reachable from the build network."


async def open_finding(scene: Scene) -> Finding:
    """Return a new finding."""
    name = fresh()
    await scene.publish(record("npm", name, fixed_in("2.0.0", kind="SEMVER")))
    await scene.host("web", ("npm", name, "1.0.0"))
    [finding] = await scene.findings()
    return finding


async def accept(scene: Scene, advisory_id: str, *, days: int = 1) -> int:
    """Accept as a person of the tenant."""
    user = await make_user(scene.database, scene.tenant)
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        return await accept_vulnerability(
            session,
            principal=person(scene.tenant, user_id=user.id),
            advisory_id=advisory_id,
            reason=REASON,
            days=days,
            now=MONDAY,
        )


async def listed(scene: Scene) -> int:
    """Return how many vulnerabilities the list shows."""
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        return (await os_cves_page(session, first=10)).total or 0


async def test_what_a_person_accepted_leaves_the_list_with_the_reason_kept(scene: Scene) -> None:
    finding = await open_finding(scene)
    assert (await accept(scene, finding.advisory_id), await listed(scene)) == (1, 0)
    [row] = await scene.findings()
    assert (row.state, row.accepted_reason) == (FindingState.ACCEPTED, REASON)
    assert row.accepted_until == MONDAY + 24 * HOUR
    assert row.accepted_by is not None


async def test_it_opens_again_when_the_acceptance_expires_and_not_before(scene: Scene) -> None:
    finding = await open_finding(scene)
    await accept(scene, finding.advisory_id)
    for hours, opened, shown in ((23, 0, 0), (24, 1, 1)):
        async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
            now = MONDAY + hours * HOUR
            assert await reopen_expired(session, tenant_id=scene.tenant.id, now=now) == opened
        assert await listed(scene) == shown
    [row] = await scene.findings()
    assert (row.state, row.first_seen_at) == (FindingState.OPEN, MONDAY)


async def test_a_report_does_not_open_what_is_accepted_and_a_fix_closes_it(scene: Scene) -> None:
    finding = await open_finding(scene)
    await accept(scene, finding.advisory_id)
    name = finding.package_name
    await scene.host("web", ("npm", name, "1.0.1"), at=MONDAY + HOUR)
    [row] = await scene.findings()
    assert (row.state, row.installed_version) == (FindingState.ACCEPTED, "1.0.1")
    await scene.host("web", ("npm", name, "2.0.0"), at=MONDAY + 2 * HOUR)
    [row] = await scene.findings()
    assert row.state is FindingState.FIXED


async def test_claude_cannot_accept(scene: Scene) -> None:
    finding = await open_finding(scene)
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        with pytest.raises(Forbidden, match="signed-in person"):
            await accept_vulnerability(
                session,
                principal=connector(scene.tenant),
                advisory_id=finding.advisory_id,
                reason=REASON,
                days=1,
                now=MONDAY,
            )
    assert await listed(scene) == 1


@pytest.mark.parametrize("days", [0, 366])
async def test_an_acceptance_ends_within_a_year(scene: Scene, days: int) -> None:
    finding = await open_finding(scene)
    with pytest.raises(InvalidInput, match="between 1 and 365"):
        await accept(scene, finding.advisory_id, days=days)


async def test_what_is_not_open_cannot_be_accepted(scene: Scene) -> None:
    with pytest.raises(NotFound, match="No open finding"):
        await accept(scene, "CVE-0000-0000")
