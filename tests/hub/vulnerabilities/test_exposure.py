"""Exposure: which sockets strangers can reach, and that the lists count their hosts."""

import pytest

from hub.agent import packages as agent_packages
from hub.agent.packages import ecosystem_of
from hub.agent.system import OperatingSystem
from hub.vulnerabilities.exposure import listens_publicly, note_exposure
from hub.vulnerabilities.queries import PackageCve, os_cves_page
from tests.hub.vulnerabilities.scene import MONDAY, Scene, fixed_in, fresh, record

PUBLIC, PRIVATE = "8.8.8.8", "10.0.0.5"


@pytest.mark.parametrize(
    ("listening", "addresses", "expected"),
    [
        ([PUBLIC], [PUBLIC], True),
        (["0.0.0.0"], [PRIVATE, PUBLIC], True),  # noqa: S104 - what a host reports
        (["::"], ["2001:4860::1"], True),
        (["0.0.0.0"], [PRIVATE], False),  # noqa: S104
        ([PRIVATE, "127.0.0.1", "::1"], [PRIVATE, PUBLIC], False),
        (["fe80::1%eth0", "not an address"], [PUBLIC], False),
        ([], [PUBLIC], False),
    ],
)
def test_strangers_reach_what_listens_on_a_public_address(
    listening: list[str], addresses: list[str], *, expected: bool
) -> None:
    assert listens_publicly(listening, addresses) is expected


async def the_cve(scene: Scene) -> PackageCve:
    """Return the one vulnerability of the list."""
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        [row] = (await os_cves_page(session, first=10)).rows
    return row


async def test_a_vulnerability_of_an_exposed_host_is_more_urgent(scene: Scene) -> None:
    name = fresh()
    await scene.publish(record("npm", name, fixed_in("2.0.0", kind="SEMVER")))
    await scene.host("web", ("npm", name, "1.0.0"))
    before = await the_cve(scene)
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await note_exposure(
            session,
            tenant_id=scene.tenant.id,
            agent_id=scene.agent_id("web"),
            listening=[PUBLIC],
        )
    after = await the_cve(scene)
    assert (before.exposed_hosts, after.exposed_hosts) == (0, 1)
    assert after.risk(now=MONDAY).score > before.risk(now=MONDAY).score
    assert "1 of the hosts listen publicly" in after.risk(now=MONDAY).reasons


@pytest.mark.parametrize(
    ("has_pro", "ecosystem"), [(False, "Ubuntu:22.04:LTS"), (True, "Ubuntu:Pro:22.04:LTS")]
)
def test_a_host_with_ubuntu_pro_says_so_by_its_ecosystem(
    monkeypatch: pytest.MonkeyPatch, ecosystem: str, *, has_pro: bool
) -> None:
    monkeypatch.setattr(agent_packages, "has_ubuntu_pro", lambda: has_pro)
    system = OperatingSystem("ubuntu", "Ubuntu 22.04 LTS", "22.04", is_long_term_support=True)
    assert ecosystem_of(system) == ecosystem
    debian = OperatingSystem("debian", "Debian GNU/Linux 12", "12")
    assert ecosystem_of(debian) == "Debian:12"
