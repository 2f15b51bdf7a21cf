"""The running kernel, and nothing else, counts."""

import pytest

from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.kernel import as_kernel_source, is_kernel, kernels_of
from hub.vulnerabilities.kernel_records import read_kernel_record
from hub.vulnerabilities.models import KERNEL_FEED, Finding, FindingKind, FindingState
from hub.vulnerabilities.packages import Installed, subjects_of
from tests.hub.vulnerabilities.kernel_fixture import CVE_2024_26581
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record

DEBIAN = "Debian:12"


def debian_image(release: str, version: str) -> tuple[str, ...]:
    """Return a signed image as Debian builds it: from a source of signatures."""
    signatures = version.replace("-", "+")
    return (DEBIAN, f"linux-image-{release}", version, "linux-signed-amd64", signatures)


OLD = debian_image("6.1.0-28-amd64", "6.1.119-1")
NEW = debian_image("6.1.0-30-amd64", "6.1.124-1")


async def vanilla(scene: Scene, **changes: object) -> str:
    """Publish CVE-2024-26581 under an unused id, and return that."""
    identity = fresh("CVE-2024")
    data = CVE_2024_26581 | {"cveMetadata": {"cveId": identity, "state": "PUBLISHED"} | changes}
    await scene.publish_documents(
        KERNEL_FEED, [read_kernel_record(data, name=identity, modified=MONDAY)]
    )
    return identity


@pytest.mark.parametrize("release", ["6.6.16", "6.7.4", "5.10.195", "6.4.9"])
async def test_the_golden_cases_that_are_affected(scene: Scene, release: str) -> None:
    identity = await vanilla(scene)
    await scene.host("custom", kernel=release)
    found = [f for f in await scene.findings() if f.advisory_id == identity]
    assert [(f.kind, f.installed_version, f.package_name) for f in found] == [
        (FindingKind.KERNEL, release, "Kernel")
    ]


@pytest.mark.parametrize(
    "release", ["6.6.20", "6.8", "5.10.180", "5.4.100", "6.4.7", "6.1.78", "6.6.17", "6.7.5"]
)
async def test_the_golden_cases_that_are_not(scene: Scene, release: str) -> None:
    identity = await vanilla(scene)
    await scene.host("custom", kernel=release)
    assert identity not in await scene.unfixed()


async def test_each_branch_names_its_own_fix(scene: Scene) -> None:
    identity = await vanilla(scene)
    for release in ("5.4.262", "5.15.130", "6.1.50", "6.4.9", "6.5.3", "6.7"):
        await scene.host(f"host-{release}", kernel=release)
    found = {
        f.installed_version: f.fixed_version
        for f in await scene.findings()
        if f.advisory_id == identity
    }
    assert found == {
        "5.4.262": "5.4.269",
        "5.15.130": "5.15.149",
        "6.1.50": "6.1.78",
        "6.4.9": "6.5",
        "6.5.3": "6.6.17",
        "6.7": "6.7.5",
    }


async def test_a_rejected_record_takes_its_findings_away(scene: Scene) -> None:
    identity = await vanilla(scene)
    await scene.host("custom", kernel="6.6.16")
    assert identity in await scene.unfixed()
    data = CVE_2024_26581 | {"cveMetadata": {"cveId": identity, "state": "PUBLISHED"}}
    rejected = read_kernel_record(data, name=identity, modified=MONDAY + HOUR, is_rejected=True)
    await scene.publish_documents(KERNEL_FEED, [rejected])
    assert identity not in await scene.unfixed()


async def test_the_kernels_own_record_outweighs_a_copy_that_is_too_wide(scene: Scene) -> None:
    identity = await vanilla(scene)
    copy = record("Linux", "Kernel", fixed_in("5.4.269"), aliases=[identity])
    await scene.publish(copy)
    await scene.host("old", kernel="5.4.100")
    await scene.host("new", kernel="5.4.262")
    found = of(await scene.findings(), identity)
    assert [f.installed_version for f in found] == ["5.4.262"]


async def linux(scene: Scene, *, fixed: str = "6.1.124-1", ecosystem: str = DEBIAN) -> str:
    """Publish a record about a distribution's kernel, and return its id."""
    known = record(ecosystem, "linux", fixed_in(fixed))
    await scene.publish(known)
    return str(known["id"])


def of(findings: list[Finding], identity: str) -> list[Finding]:
    """Return the findings of one advisory."""
    return [finding for finding in findings if finding.advisory_id == identity]


async def test_a_distributions_kernel_is_matched_by_its_source(scene: Scene) -> None:
    identity = await linux(scene)
    await scene.host("web", OLD, kernel="6.1.0-28-amd64")
    [finding] = of(await scene.findings(), identity)
    assert (finding.kind, finding.package_name) == (FindingKind.KERNEL, "linux")
    assert (finding.installed_version, finding.fixed_version) == ("6.1.0-28-amd64", "6.1.124-1")
    assert finding.state is FindingState.OPEN


async def test_an_old_kernel_that_is_installed_and_not_running_does_not_count(
    scene: Scene,
) -> None:
    identity = await linux(scene)
    await scene.host("web", OLD, NEW, kernel="6.1.0-30-amd64")
    assert of(await scene.findings(), identity) == []


async def test_fixed_and_not_rebooted_is_a_state_of_its_own(scene: Scene) -> None:
    identity = await linux(scene)
    await scene.host("web", OLD, kernel="6.1.0-28-amd64")
    await scene.host("web", OLD, NEW, kernel="6.1.0-28-amd64", at=MONDAY + HOUR)
    [pending] = of(await scene.findings(), identity)
    assert pending.state is FindingState.REBOOT_PENDING
    await scene.host("web", OLD, NEW, kernel="6.1.0-30-amd64", at=MONDAY + 2 * HOUR)
    [fixed] = of(await scene.findings(), identity)
    assert (fixed.state, fixed.fixed_at) == (FindingState.FIXED, MONDAY + 2 * HOUR)


async def test_a_newer_kernel_that_is_affected_too_makes_nothing_pending(scene: Scene) -> None:
    identity = await linux(scene, fixed="6.1.130-1")
    await scene.host("web", OLD, NEW, kernel="6.1.0-28-amd64")
    [finding] = of(await scene.findings(), identity)
    assert finding.state is FindingState.OPEN


async def test_headers_of_the_kernels_source_are_not_vulnerable(scene: Scene) -> None:
    identity = await linux(scene)
    headers = (DEBIAN, "linux-libc-dev", "6.1.119-1", "linux", "6.1.119-1")
    await scene.host("build", headers, kernel="6.1.0-28-amd64")
    assert of(await scene.findings(), identity) == []


async def test_a_container_with_a_strangers_kernel_has_no_kernel_findings(scene: Scene) -> None:
    identity = await vanilla(scene)
    await scene.host("container", (DEBIAN, "bash", "5.2", "bash", "5.2"), kernel="6.6.16-custom")
    assert of(await scene.findings(), identity) == []


async def test_ubuntus_cloud_kernel_is_matched_by_its_own_source(scene: Scene) -> None:
    ubuntu = "Ubuntu:22.04:LTS"
    generic = await linux(scene, ecosystem=ubuntu, fixed="5.15.0-200.1")
    aws = record(ubuntu, "linux-aws", fixed_in("5.15.0-1060.66"))
    await scene.publish(aws)
    release = "5.15.0-1052-aws"
    image = (ubuntu, f"linux-image-{release}", "5.15.0-1052.57", "linux-signed-aws",
             "5.15.0-1052.57")  # fmt: skip
    modules = (ubuntu, f"linux-modules-{release}", "5.15.0-1052.57", "linux-aws", "5.15.0-1052.57")
    await scene.host("cloud", image, modules, kernel=release)
    findings = await scene.findings()
    assert of(findings, generic) == []
    [finding] = of(findings, aws["id"])
    assert finding.package_name == "linux-aws"


def package(*fields: str) -> InstalledPackage:
    """Return an installed package."""
    return InstalledPackage(*fields)


def test_rpm_kernels_are_found_without_epoch_and_architecture() -> None:
    old, new = (
        package("Rocky Linux:9", "kernel-core", f"5.14.0-{build}.el9_4", "kernel",
                f"5.14.0-{build}.el9_4")
        for build in ("427.13.1", "427.20.1")
    )  # fmt: skip
    devel = package("Rocky Linux:9", "kernel-devel", "5.14.0-427.13.1.el9_4", "kernel", "5.14.0")
    kernels = kernels_of("5.14.0-427.13.1.el9_4.x86_64", [old, new, devel])
    assert (kernels.running, kernels.newest) == (old, new)


@pytest.mark.parametrize("variant", ["+rt", "+64k", "+debug", "+64k-debug"])
def test_variants_of_rpm_kernels_are_of_the_same_version(variant: str) -> None:
    version = "5.14.0-427.13.1.el9_4"
    image = package("AlmaLinux:9", "kernel-core", version, "kernel", version)
    assert kernels_of(f"{version}.aarch64{variant}", [image]).running == image


@pytest.mark.parametrize(
    "name", ["linux-image-6.1.0-28-amd64-unsigned", "linux-image-6.1.0-28-amd64:amd64"]
)
def test_an_image_without_signature_or_with_its_architecture_is_the_one_that_runs(
    name: str,
) -> None:
    image = package(DEBIAN, name, "6.1.119-1", "linux", "6.1.119-1")
    assert kernels_of("6.1.0-28-amd64", [image]).running == image


@pytest.mark.parametrize(
    "release",
    [
        "5.15.153.1-microsoft-standard-WSL2",
        "6.9.3-mybuild+",
        "6.8.12-4-pve",
        "6.1.102-108.177.amzn2023.x86_64",
        "5.15.0-209.161.7.2.el9uek.x86_64",
        "6.6.31+rpt-rpi-v8",
        "6.1.0-18-amd64",
    ],
)
def test_a_kernel_that_somebody_patched_and_no_package_explains_is_unknown(release: str) -> None:
    assert kernels_of(release, []).running is None


def test_suses_kernel_is_found_by_its_flavour() -> None:
    image = package("openSUSE:Leap 15.5", "kernel-default", "5.14.21-150500.55.39.1",
                    "kernel-default", "5.14.21-150500.55.39.1")  # fmt: skip
    assert kernels_of("5.14.21-150500.55.39-default", [image]).running == image


def test_alpine_replaces_the_kernel_on_disk_while_the_old_one_runs() -> None:
    image = package("Alpine:v3.20", "linux-lts", "6.6.50-r0", "linux-lts", "6.6.50-r0")
    kernels = kernels_of("6.6.41-0-lts", [image])
    assert kernels.running == image._replace(version="6.6.41-r0", source_version="6.6.41-r0")
    assert kernels.newest == image


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("linux", True),
        ("linux-signed-amd64", True),
        ("linux-hwe-6.5", True),
        ("linux-6.1", True),
        ("linux-atm", False),
        ("linux-ftpfs", False),
        ("linuxptp", False),
    ],
)
def test_packages_that_only_sound_like_kernels_are_none(source: str, *, expected: bool) -> None:
    assert is_kernel(package(DEBIAN, "some-binary", "1.0", source, "1.0")) is expected


def test_the_version_of_signatures_is_not_the_kernels() -> None:
    installed = Installed.of(as_kernel_source(package(*OLD)))
    assert [(s.name, s.version) for s in subjects_of(installed)] == [("linux", "6.1.119-1")]
