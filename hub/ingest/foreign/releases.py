"""From a package URL to OSV's ecosystem; a release that nobody names is not made up."""

import re
from typing import NamedTuple

from hub.ingest.foreign.package_urls import BadPackageUrl, PackageUrl

_LANGUAGES = {
    "bitnami": "Bitnami",
    "cargo": "crates.io",
    "composer": "Packagist",
    "conan": "ConanCenter",
    "cran": "CRAN",
    "gem": "RubyGems",
    "golang": "Go",
    "hackage": "Hackage",
    "hex": "Hex",
    "julia": "Julia",
    "maven": "Maven",
    "npm": "npm",
    "nuget": "NuGet",
    "pub": "Pub",
    "pypi": "PyPI",
    "swift": "SwiftURL",
}
_DISTRIBUTIONS = frozenset({"alpm", "apk", "deb", "rpm"})
_ROLLING = {"chainguard": "Chainguard", "echo": "Echo", "minimos": "MinimOS", "wolfi": "Wolfi"}
_MAJOR_ONLY = {
    "alma": "AlmaLinux",
    "almalinux": "AlmaLinux",
    "azurelinux": "Azure Linux",
    "debian": "Debian",
    "mageia": "Mageia",
    "rocky": "Rocky Linux",
}
_CODENAMES = {
    "bookworm": "12", "bullseye": "11", "buster": "10", "forky": "14", "jessie": "8",
    "stretch": "9", "trixie": "13",
}  # fmt: skip
_DISTRO = re.compile(r"(?P<id>[a-z][a-z._]*(?:-(?:leap|tumbleweed|micro))?)-?(?P<version>.*)")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")


class Release(NamedTuple):
    """A distribution and its release, as os-release calls them."""

    id: str
    version: str


def ecosystem_of_url(url: PackageUrl, release: Release | None) -> str:
    """Return the ecosystem of a package; `release` is the bill's operating system, if it is one."""
    if url.type in _LANGUAGES:
        return _LANGUAGES[url.type]
    if url.type not in _DISTRIBUTIONS:
        raise BadPackageUrl("Packages of this type have no ecosystem that advisories know.")
    found = _release_of(url, release)
    if found is None:
        raise BadPackageUrl(
            "Nothing says which release of the distribution it is for: the package URL has no"
            " `distro`, and the bill names no operating system."
        )
    ecosystem = _distribution(found)
    if ecosystem is None:
        raise BadPackageUrl("There are no advisories in OSV's form for this distribution.")
    return ecosystem


def _release_of(url: PackageUrl, release: Release | None) -> Release | None:
    namespace = url.namespace.partition("/")[0].lower()
    told = url.qualifiers.get("distro", "").lower()
    if told in _CODENAMES and namespace in {"", "debian"}:
        return Release("debian", _CODENAMES[told])
    if told and _NUMBER.fullmatch(told.removeprefix("v")):
        # Trivy writes `distro=3.18.4` for Alpine: only the number.
        return Release(namespace, told.removeprefix("v")) if namespace else None
    if told and (match := _DISTRO.fullmatch(told)):
        return Release(match["id"].rstrip("-"), match["version"].removeprefix("v"))
    if release is None or (namespace and not _is_same(namespace, release.id)):
        return Release(namespace, "") if namespace in _ROLLING else None
    return release


def _is_same(namespace: str, release_id: str) -> bool:
    return (
        namespace == release_id
        or release_id.startswith(f"{namespace}-")
        or (
            {namespace, release_id} <= {"redhat", "rhel", "red hat"}
            or {namespace, release_id} <= {"alma", "almalinux"}
        )
    )


def _distribution(release: Release) -> str | None:
    """Return OSV's spelling, or None for what OSV has no records of."""
    name, numbers = release.id, release.version.split(".")
    if name in _ROLLING or "tumbleweed" in name:
        return _ROLLING.get(name, "openSUSE:Tumbleweed")
    if not numbers[0].isdecimal():
        return None
    if name in _MAJOR_ONLY:
        return f"{_MAJOR_ONLY[name]}:{numbers[0]}"
    return _of_two_numbers(name, numbers)


def _of_two_numbers(name: str, numbers: list[str]) -> str | None:
    """Return the ecosystem of releases that are named by year and month, or major and minor."""
    if len(numbers) < 2:  # noqa: PLR2004
        return None
    both = ".".join(numbers[:2])
    if name == "ubuntu":
        is_long_term = numbers[1] == "04" and int(numbers[0][:4]) % 2 == 0
        return f"Ubuntu:{both}:LTS" if is_long_term else f"Ubuntu:{both}"
    if name == "alpine":
        return f"Alpine:v{both}"
    if name == "photon":
        return f"Photon OS:{both}"
    return f"openSUSE:Leap {both}" if "leap" in name else None
