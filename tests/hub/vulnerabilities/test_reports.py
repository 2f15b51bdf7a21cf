"""A report through the ingest endpoint's own command path: packages, kernel, reboot."""

from typing import Any

from sqlalchemy import update
from sqlmodel import col

from hub.fleet.models import Agent
from hub.vulnerabilities.inventory import follow_running_kernel
from hub.vulnerabilities.models import FindingState
from tests.conftest import Statements
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record

DEBIAN = "Debian:12"


async def test_a_reboot_is_noticed_by_a_report_that_brings_no_packages(scene: Scene) -> None:
    known = record(DEBIAN, "linux", fixed_in("6.1.124-1"))
    await scene.publish(known)
    images = [
        (DEBIAN, f"linux-image-{release}", version, "linux-signed-amd64", version)
        for release, version in (("6.1.0-28-amd64", "6.1.119-1"), ("6.1.0-30-amd64", "6.1.124-1"))
    ]
    await scene.host("web", *images, kernel="6.1.0-28-amd64")
    found = {f.advisory_id: f.state for f in await scene.findings()}
    assert found[known["id"]] is FindingState.REBOOT_PENDING
    agent_id = scene.agent_id("web")
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await session.execute(
            update(Agent)
            .where(col(Agent.id) == agent_id)
            .values(kernel_release="6.1.0-30-amd64")
            .execution_options(synchronize_session=False)
        )
        arguments: dict[str, Any] = {
            "tenant_id": scene.tenant.id,
            "agent_id": agent_id,
            "at": MONDAY + HOUR,
        }
        assert await follow_running_kernel(session, **arguments)
        assert not await follow_running_kernel(session, **arguments)
    found = {f.advisory_id: f.state for f in await scene.findings()}
    assert found[known["id"]] is FindingState.FIXED


async def test_the_same_report_again_is_three_statements_however_many_packages(
    scene: Scene, statements: Statements
) -> None:
    packages = [("npm", fresh(), "1.0.0") for _ in range(300)]
    await scene.publish(*(record("npm", name, fixed_in("2.0.0")) for _, name, _ in packages[:20]))
    await scene.host("web", *packages)
    assert len(await scene.findings()) == 20
    statements.clear()
    assert not await scene.host("web", *packages, at=MONDAY + HOUR)
    assert len(statements) == 3, "\n\n".join(statements)


async def test_one_advisory_touches_only_the_packages_it_names(scene: Scene) -> None:
    named, other = fresh(), fresh()
    await scene.publish(record("npm", other, fixed_in("2.0.0")))
    await scene.host("web", ("npm", named, "1.0.0"), ("npm", other, "1.0.0"))
    [before] = await scene.findings()
    await scene.publish(record("npm", named, fixed_in("2.0.0")))
    after = {finding.package_name: finding for finding in await scene.findings()}
    assert after.keys() == {named, other}
    assert after[other].model_dump() == before.model_dump()
