"""What is installed on the demo's hosts, and which of it is known to be vulnerable."""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.commands import AdvisoryRecord
from seed import advisories
from seed.hosts import HostSpec


@dataclass(frozen=True, slots=True)
class VulnerablePackage:
    """An installed version that an advisory speaks of, and the version that fixes it."""

    advisory: AdvisoryRecord
    package: InstalledPackage
    fixed_version: str


# Hosts that unattended upgrades look after; the story's troubles sit on the others.
_PATCHED = frozenset({"web-edge-02", "cache-prod-01", "bastion-prod-01", "lb-prod-01"})

# fmt: off
_SOUND: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "Debian:12": (
        ("adduser", "3.134", "adduser", "3.134"),
        ("bash", "5.2.15-2+b7", "bash", "5.2.15-2"),
        ("coreutils", "9.1-1", "coreutils", "9.1-1"),
        ("grep", "3.8-5", "grep", "3.8-5"),
        ("python3.11", "3.11.2-6+deb12u4", "python3.11", "3.11.2-6+deb12u4"),
        ("sudo", "1.9.13p3-1+deb12u1", "sudo", "1.9.13p3-1+deb12u1"),
        ("systemd", "252.31-1~deb12u1", "systemd", "252.31-1~deb12u1"),
        ("tzdata", "2024b-0+deb12u1", "tzdata", "2024b-0+deb12u1"),
    ),
    "Ubuntu:22.04:LTS": (
        ("bash", "5.1-6ubuntu1.1", "bash", "5.1-6ubuntu1.1"),
        ("coreutils", "8.32-4.1ubuntu1.2", "coreutils", "8.32-4.1ubuntu1.2"),
        ("sudo", "1.9.9-1ubuntu2.4", "sudo", "1.9.9-1ubuntu2.4"),
        ("systemd", "249.11-0ubuntu3.12", "systemd", "249.11-0ubuntu3.12"),
    ),
    "Ubuntu:24.04:LTS": (
        ("bash", "5.2.21-2ubuntu4", "bash", "5.2.21-2ubuntu4"),
        ("coreutils", "9.4-3ubuntu6", "coreutils", "9.4-3ubuntu6"),
        ("sudo", "1.9.15p5-3ubuntu5", "sudo", "1.9.15p5-3ubuntu5"),
        ("systemd", "255.4-1ubuntu8.4", "systemd", "255.4-1ubuntu8.4"),
    ),
    "Alpine:v3.20": (
        ("apk-tools", "2.14.4-r0", "apk-tools", "2.14.4-r0"),
        ("busybox", "1.36.1-r29", "busybox", "1.36.1-r29"),
        ("musl", "1.2.5-r0", "musl", "1.2.5-r0"),
    ),
    "Rocky Linux:9": (
        ("bash", "5.1.8-9.el9", "bash", "5.1.8-9.el9"),
        ("coreutils", "8.32-36.el9", "coreutils", "8.32-36.el9"),
        ("systemd", "252-32.el9_4.7", "systemd", "252-32.el9_4.7"),
    ),
}
# Ecosystem: advisory, binary package, installed, source package, fixed.
_VULNERABLE: dict[str, tuple[tuple[AdvisoryRecord, str, str, str, str], ...]] = {
    "Debian:12": (
        (advisories.OPENSSH, "openssh-server", "1:9.2p1-2+deb12u2", "openssh", "1:9.2p1-2+deb12u3"),
        (advisories.CURL, "libcurl4", "7.88.1-10+deb12u3", "curl", "7.88.1-10+deb12u4"),
        (advisories.NGHTTP2, "libnghttp2-14", "1.52.0-1", "nghttp2", "1.52.0-1+deb12u1"),
        (advisories.GLIBC, "libc6", "2.36-9+deb12u4", "glibc", "2.36-9+deb12u6"),
        (advisories.EXPAT, "libexpat1", "2.5.0-1", "expat", "2.5.0-1+deb12u1"),
    ),
    "Ubuntu:22.04:LTS": (
        (advisories.OPENSSH, "openssh-server", "1:8.9p1-3ubuntu0.7", "openssh",
         "1:8.9p1-3ubuntu0.10"),
        (advisories.CURL, "libcurl4", "7.81.0-1ubuntu1.13", "curl", "7.81.0-1ubuntu1.14"),
        (advisories.GLIBC, "libc6", "2.35-0ubuntu3.6", "glibc", "2.35-0ubuntu3.7"),
    ),
    "Ubuntu:24.04:LTS": (
        (advisories.OPENSSH, "openssh-server", "1:9.6p1-3ubuntu13", "openssh",
         "1:9.6p1-3ubuntu13.3"),
    ),
    "Alpine:v3.20": (
        (advisories.OPENSSH, "openssh-server", "9.7_p1-r3", "openssh", "9.7_p1-r4"),
        (advisories.OPENSSL, "libssl3", "3.3.0-r2", "openssl", "3.3.1-r1"),
    ),
    "Rocky Linux:9": (
        (advisories.OPENSSH, "openssh-server", "8.7p1-38.el9", "openssh", "8.7p1-38.el9_4.1"),
    ),
}
_VULNERABLE_BY_APPLICATION: dict[str, tuple[tuple[AdvisoryRecord, str, str, str, str], ...]] = {
    "node": (
        (advisories.LODASH, "npm", "lodash", "4.17.20", "4.17.21"),
        (advisories.WS, "npm", "ws", "8.16.0", "8.17.1"),
        (advisories.SEMVER, "npm", "semver", "7.3.8", "7.5.2"),
        (advisories.EXPRESS, "npm", "express", "4.18.2", "4.19.2"),
    ),
    "python": (
        (advisories.PYYAML, "PyPI", "pyyaml", "5.3.1", "5.4"),
        (advisories.REQUESTS, "PyPI", "requests", "2.28.2", "2.31.0"),
        (advisories.JINJA, "PyPI", "jinja2", "3.1.2", "3.1.4"),
    ),
    "java": (
        (advisories.LOG4J, "Maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "2.15.0"),
    ),
}
# Patched applications too: log4j is left on the build host alone, old YAML on staging.
_PATCHED_APPLICATIONS = {
    "search-prod-01": {"org.apache.logging.log4j:log4j-core"},
    "ehr-app-01": {"org.apache.logging.log4j:log4j-core"},
    "api-prod-01": {"pyyaml", "lodash"},
    "api-prod-02": {"pyyaml", "lodash"},
    "api-prod-03": {"pyyaml"},
}
# fmt: on


def packages_of(host: HostSpec) -> list[InstalledPackage]:
    """Return the host's inventory."""
    ecosystem = host.release.ecosystem
    sound = (InstalledPackage(ecosystem, *row) for row in _SOUND[ecosystem])
    return [*sound, *(found.package for found in vulnerable_packages(host)), *_fixed(host)]


def vulnerable_packages(host: HostSpec) -> list[VulnerablePackage]:
    """Return what is installed in a vulnerable version."""
    return [found for found in _known(host) if not _is_patched(host, found)]


def _fixed(host: HostSpec) -> Iterator[InstalledPackage]:
    """Yield the packages that were updated, in the version that fixes them."""
    for found in _known(host):
        if _is_patched(host, found):
            source_version = found.fixed_version if found.package.source_version else ""
            yield found.package._replace(version=found.fixed_version, source_version=source_version)


def _is_patched(host: HostSpec, found: VulnerablePackage) -> bool:
    by_hand = _PATCHED_APPLICATIONS.get(host.name, set())
    return host.name in _PATCHED or found.package.name in by_hand


def _known(host: HostSpec) -> Iterator[VulnerablePackage]:
    ecosystem = host.release.ecosystem
    for advisory, name, version, source, fixed in _VULNERABLE[ecosystem]:
        package = InstalledPackage(ecosystem, name, version, source, version)
        yield VulnerablePackage(advisory, package, fixed)
    for application in sorted(host.applications):
        for advisory, language, name, version, fixed in _VULNERABLE_BY_APPLICATION[application]:
            yield VulnerablePackage(advisory, InstalledPackage(language, name, version), fixed)
