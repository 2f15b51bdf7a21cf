"""Ecosystems, as OSV spells them: which order their versions have, and how names are compared.

A host's ecosystem comes from its os-release and is never guessed: a release that OSV does not
know has none, and its packages are matched with nothing.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from hub.vulnerabilities.versions.orders import Order

KERNEL_ECOSYSTEM, KERNEL_PACKAGE = "Linux", "Kernel"


class Matching(StrEnum):
    """Which name and version of an installed package the advisories of an ecosystem speak of."""

    PACKAGE = "package"  # languages: there is only one
    SOURCE = "source"  # deb, apk: the source package with its own version
    SOURCE_AND_BINARY = "source_and_binary"  # rpm: advisories list both


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """One ecosystem in canonical spelling."""

    name: str
    order: Order
    matching: Matching

    @property
    def is_known(self) -> bool:
        """Whether OSV has it, and its versions can be compared."""
        return self.order is not Order.UNKNOWN


_BY_FAMILY: dict[str, tuple[Order, Matching]] = {
    **dict.fromkeys(("Debian", "Ubuntu", "Echo"), (Order.DPKG, Matching.SOURCE)),
    **dict.fromkeys(
        ("Alpaquita", "Alpine", "BellSoft Hardened Containers", "Chainguard", "MinimOS", "Wolfi"),
        (Order.APK, Matching.SOURCE),
    ),
    **dict.fromkeys(
        (
            "AlmaLinux",
            "Azure Linux",
            "Mageia",
            "Photon OS",
            "Red Hat",
            "Rocky Linux",
            "SUSE",
            "openEuler",
            "openSUSE",
        ),
        (Order.RPM, Matching.SOURCE_AND_BINARY),
    ),
    **dict.fromkeys(
        (
            "Bioconductor",
            "Bitnami",
            "ConanCenter",
            "Docker Hardened Images",
            "GHC",
            "GitHub Actions",
            "Go",
            "Hex",
            "Julia",
            "Kubernetes",
            "Linux",
            "SwiftURL",
            "VSCode",
            "crates.io",
            "npm",
        ),
        (Order.SEMVER, Matching.PACKAGE),
    ),
    **dict.fromkeys(("CRAN", "Hackage"), (Order.NUMERIC, Matching.PACKAGE)),
    "Maven": (Order.MAVEN, Matching.PACKAGE),
    "NuGet": (Order.NUGET, Matching.PACKAGE),
    "Packagist": (Order.PACKAGIST, Matching.PACKAGE),
    "Pub": (Order.PUB, Matching.PACKAGE),
    "PyPI": (Order.PEP440, Matching.PACKAGE),
    "RubyGems": (Order.RUBYGEMS, Matching.PACKAGE),
    "opam": (Order.DPKG, Matching.PACKAGE),
}
_SPELLINGS = {family.lower(): family for family in _BY_FAMILY}
_UBUNTU_RELEASE = re.compile(r"(?P<flavour>(?:[A-Za-z][^:]*:)*)(?P<release>\d{2}\.\d{2})(?::LTS)?")
_CASELESS_NAMES = frozenset({"GitHub Actions", "NuGet", "Packagist"})
_PYPI_SEPARATORS = re.compile(r"[-_.]+")


@lru_cache(maxsize=4096)
def ecosystem_of(text: str) -> Ecosystem:
    """Return the ecosystem that the text names; one that nobody knows has an unknown order."""
    root, _, rest = text.strip().partition(":")
    if root == "Root" and rest:  # rebuilt packages, in the order of what they were built from
        built_from = ecosystem_of(rest)
        return Ecosystem(f"Root:{rest}", built_from.order, built_from.matching)
    family = _SPELLINGS.get(root.lower(), root)
    order, matching = _BY_FAMILY.get(family, (Order.UNKNOWN, Matching.PACKAGE))
    release = _ubuntu_release(rest) if family == "Ubuntu" else rest
    return Ecosystem(f"{family}:{release}" if release else family, order, matching)


def comparable_name(ecosystem: Ecosystem, name: str) -> str:
    """Return the name in the spelling by which packages of this ecosystem are the same."""
    family = family_of(ecosystem.name)
    if family == "PyPI":  # PEP 503
        return _PYPI_SEPARATORS.sub("-", name.strip()).lower()
    if ecosystem.order is Order.DPKG and ecosystem.matching is Matching.SOURCE:
        return name.strip().partition(":")[0]  # `libssl3:amd64`, as dpkg names it beside others
    return name.strip().lower() if family in _CASELESS_NAMES else name.strip()


def family_of(ecosystem: str) -> str:
    """Return what stands before the release: `Debian` of `Debian:12`."""
    family, _, rest = ecosystem.partition(":")
    return family_of(rest) if family == "Root" and rest else family


def advised_ecosystems(ecosystem: Ecosystem) -> tuple[Ecosystem, ...]:
    """Return the ecosystems whose advisories speak of a host of this one, the decisive one last.

    A host with Ubuntu Pro (`Ubuntu:Pro:18.04:LTS`) has what Ubuntu publishes for everybody, and
    what it publishes for Pro; nobody else gets the fixes of Pro.
    """
    if not ecosystem.name.startswith("Ubuntu:Pro:"):
        return (ecosystem,)
    release = ecosystem.name.removeprefix("Ubuntu:Pro:").rpartition("Ubuntu:")[2]
    numbers = _UBUNTU_RELEASE.fullmatch(release)
    everybody = ecosystem_of(f"Ubuntu:{numbers['release'] if numbers else release}")
    return (everybody, ecosystem)


def _ubuntu_release(release: str) -> str:
    """Return `22.04:LTS` for `22.04` too: people and records spell it both ways."""
    found = _UBUNTU_RELEASE.fullmatch(release)
    if found is None:
        return release
    year, month = found["release"].split(".")
    is_long_term = month == "04" and int(year) % 2 == 0
    return f"{found['flavour']}{found['release']}{':LTS' if is_long_term else ''}"
