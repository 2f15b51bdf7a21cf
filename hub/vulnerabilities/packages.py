"""Installed packages, and what of them an advisory can speak of.

The package that is installed (`libssl3`) and the one it was built from (`openssl`) have names and
versions of their own. They are different types here, so neither can stand in for the other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType

from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.ecosystems import (
    Ecosystem,
    Matching,
    advised_ecosystems,
    comparable_name,
    ecosystem_of,
)
from hub.vulnerabilities.versions.encoding import InvalidVersion
from hub.vulnerabilities.versions.orders import Order, byte_key, version_key

BinaryVersion = NewType("BinaryVersion", str)
SourceVersion = NewType("SourceVersion", str)


@dataclass(frozen=True, slots=True)
class BinaryPackage:
    """What the package manager installed."""

    name: str
    version: BinaryVersion


@dataclass(frozen=True, slots=True)
class SourcePackage:
    """What it was built from."""

    name: str
    version: SourceVersion


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed package of one ecosystem."""

    ecosystem: Ecosystem
    binary: BinaryPackage
    source: SourcePackage | None = None

    @classmethod
    def of(cls, package: InstalledPackage) -> "Installed":
        """Read what a host reported."""
        binary = BinaryPackage(package.name, BinaryVersion(package.version))
        return cls(ecosystem_of(package.ecosystem), binary, _source_of(package))


@dataclass(frozen=True, slots=True)
class Subject:
    """A name and a version that advisories of an ecosystem are asked about.

    `binary` marks the names under which Ubuntu and SUSE list binaries inside of a record.
    """

    ecosystem: str
    name: str
    version: str
    order: Order
    is_binary: bool = False

    @property
    def problem(self) -> str | None:
        """Say why the version has no place in its order, if it has none."""
        try:
            version_key(self.order, self.version)
        except InvalidVersion as error:
            return str(error)
        return None

    @property
    def key(self) -> bytes | None:
        """The version's key for the database, if it can have one."""
        try:
            return byte_key(self.order, self.version)
        except InvalidVersion:
            return None


def subjects_of(installed: Installed) -> list[Subject]:
    """Return everything that advisories may call this package."""
    return [
        subject
        for ecosystem in advised_ecosystems(installed.ecosystem)
        for subject in _subjects_in(ecosystem, installed)
    ]


def _subjects_in(ecosystem: Ecosystem, installed: Installed) -> list[Subject]:
    if ecosystem.matching is Matching.PACKAGE:
        return [_binary_subject(ecosystem, installed.binary)]
    if installed.source is None:
        # Only the binary's name is known: the record may list it, or the two may be the same.
        binary = installed.binary
        same = SourcePackage(binary.name, source_version_of_binary(ecosystem, binary.version))
        return [
            _source_subject(ecosystem, same),
            _binary_subject(ecosystem, binary, is_binary=True),
        ]
    by_source = _source_subject(ecosystem, installed.source)
    if ecosystem.matching is Matching.SOURCE:
        return [by_source]
    by_binary = _binary_subject(ecosystem, installed.binary)
    return list(dict.fromkeys((by_source, by_binary)))


def _source_subject(ecosystem: Ecosystem, source: SourcePackage) -> Subject:
    name = comparable_name(ecosystem, source.name)
    return Subject(ecosystem.name, name, source.version, ecosystem.order)


def _binary_subject(
    ecosystem: Ecosystem, binary: BinaryPackage, *, is_binary: bool = False
) -> Subject:
    name = comparable_name(ecosystem, binary.name)
    return Subject(ecosystem.name, name, binary.version, ecosystem.order, is_binary)


def source_version_of_binary(ecosystem: Ecosystem, version: BinaryVersion) -> SourceVersion:
    """Return the source's version when only the binary's is known.

    Debian rebuilds binaries without touching the source and marks them `+b1`.
    """
    if ecosystem.order is not Order.DPKG:
        return SourceVersion(version)
    base, plus, rebuild = version.rpartition("+b")
    return SourceVersion(base if plus and rebuild.isdigit() else version)


def with_source_epochs(packages: Iterable[InstalledPackage]) -> list[InstalledPackage]:
    """Return a host's packages, those of rpm with the epochs of their sources.

    `SOURCERPM` is a file's name and has none, so every source with an epoch would look older than
    any fix. A binary may have an epoch of its own (mod_ssl 1:2.4.57 of httpd 2.4.57), so what most
    binaries of the source's own version say is the source's; a binary of another version (perl's
    modules) says nothing.
    """
    known = list(packages)
    votes: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for package in known:
        epoch, version = _split_epoch(package.version)
        if _lacks_epoch(package) and version == package.source_version:
            votes[_source_key(package)][epoch] += 1
    return [_with_voted_epoch(package, votes.get(_source_key(package))) for package in known]


def _with_voted_epoch(package: InstalledPackage, votes: Counter[str] | None) -> InstalledPackage:
    if not votes:
        return package
    epoch = max(votes, key=lambda each: (votes[each], each))
    if epoch == "0" == _split_epoch(package.version)[0]:
        return package
    return package._replace(source_version=f"{epoch}:{package.source_version}")


def _lacks_epoch(package: InstalledPackage) -> bool:
    is_rpm = ecosystem_of(package.ecosystem).order is Order.RPM
    return is_rpm and bool(package.source_version) and ":" not in package.source_version


def _source_key(package: InstalledPackage) -> tuple[str, ...]:
    return (package.ecosystem, package.source_name, package.source_version)


def _split_epoch(version: str) -> tuple[str, str]:
    epoch, colon, rest = version.partition(":")
    return (epoch, rest) if colon and epoch.isdecimal() else ("0", rest or epoch)


def _with_epoch(package: InstalledPackage) -> str:
    """Return the source's version; of a package alone, the best that is known is its own epoch."""
    epoch, _ = _split_epoch(package.version)
    if epoch == "0" or not _lacks_epoch(package):
        return package.source_version
    return f"{epoch}:{package.source_version}"


def _source_of(package: InstalledPackage) -> SourcePackage | None:
    if not package.source_name:
        return None
    if package.source_version:
        return SourcePackage(package.source_name, SourceVersion(_with_epoch(package)))
    # osquery tells the source's name without its version.
    binary = BinaryVersion(package.version)
    version = source_version_of_binary(ecosystem_of(package.ecosystem), binary)
    return SourcePackage(package.source_name, version)
