"""Sources of rpm: `SOURCERPM` is the name of a file, and files' names have no epochs."""

import pytest

from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.packages import Installed, subjects_of, with_source_epochs
from tests.hub.vulnerabilities.scene import Scene, fixed_in, fresh, record

ROCKY = "Rocky Linux:9"
MADE = "480.el9"


def rpm(name: str, version: str, source: str, source_version: str) -> InstalledPackage:
    """Return an installed rpm."""
    return InstalledPackage(ROCKY, name, version, source, source_version)


@pytest.mark.parametrize(("build", "is_affected"), [("24.el9", True), ("25.el9", False)])
async def test_a_source_has_the_epoch_of_its_binaries(
    scene: Scene, build: str, *, is_affected: bool
) -> None:
    source = fresh("openssl")
    known = record(ROCKY, source, fixed_in("1:3.0.7-25.el9"))
    await scene.publish(known)
    libs = (ROCKY, f"{source}-libs", f"1:3.0.7-{build}", source, f"3.0.7-{build}")
    await scene.host("web", libs)
    assert await scene.unfixed() == ([known["id"]] if is_affected else [])


def test_binaries_of_another_version_learn_the_sources_epoch_from_the_rest() -> None:
    libs = rpm("perl-libs", f"4:5.32.1-{MADE}", "perl", f"5.32.1-{MADE}")
    errno = rpm("perl-Errno", f"1.30-{MADE}", "perl", f"5.32.1-{MADE}")
    told = with_source_epochs([libs, errno])
    assert [package.source_version for package in told] == [f"4:5.32.1-{MADE}"] * 2


def test_an_epoch_that_one_binary_has_for_itself_is_not_the_sources() -> None:
    tools, core = (
        rpm(f"httpd-{end}", "2.4.57-5", "httpd", "2.4.57-5") for end in ("tools", "core")
    )
    mod_ssl = rpm("mod_ssl", "1:2.4.57-5", "httpd", "2.4.57-5")
    told = with_source_epochs([mod_ssl, core, tools])
    assert told == [mod_ssl._replace(source_version="0:2.4.57-5"), core, tools]
    by_source, _ = subjects_of(Installed.of(told[0]))
    assert by_source.version == "0:2.4.57-5"


def test_epochs_that_are_told_stay_and_debs_are_left_alone() -> None:
    told = rpm("bind-libs", "32:9.16.23-1", "bind", "32:9.16.23-1")
    deb = InstalledPackage("Debian:12", "gcc", "4:12.2.0-3", "gcc-defaults", "1.203")
    assert with_source_epochs([told, deb]) == [told, deb]
    [subject] = subjects_of(Installed.of(deb))
    assert subject.version == "1.203"


def test_a_package_on_its_own_lends_its_epoch_to_its_source() -> None:
    npm = rpm("npm", "1:8.19.2-1.16.20.2.1.el9", "nodejs", "16.20.2-1.el9")
    by_source, by_binary = subjects_of(Installed.of(npm))
    assert (by_source.version, by_binary.version) == ("1:16.20.2-1.el9", npm.version)
