"""Which order an ecosystem has, and one door to all of them."""

import re
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any

from univers import versions as univers

from hub.vulnerabilities.versions.apk import apk_key
from hub.vulnerabilities.versions.dpkg import dpkg_key
from hub.vulnerabilities.versions.encoding import InvalidVersion, checked
from hub.vulnerabilities.versions.packagist import packagist_key
from hub.vulnerabilities.versions.pep440 import pep440_key
from hub.vulnerabilities.versions.rpm import rpm_key
from hub.vulnerabilities.versions.semver import numeric_key, pub_key, semver_key

_CACHED_KEYS = 131_072
# Maven reads `4.1.0.RELEASE` as 4.1.0; univers does not.
_MAVEN_RELEASE = re.compile(r"(?<=[0-9])[.-]?release$", re.IGNORECASE)


class Order(StrEnum):
    """A way in which versions follow each other."""

    APK = "apk"
    DPKG = "dpkg"
    MAVEN = "maven"
    NUGET = "nuget"
    NUMERIC = "numeric"
    PACKAGIST = "packagist"
    PEP440 = "pep440"
    PUB = "pub"
    RPM = "rpm"
    RUBYGEMS = "rubygems"
    SEMVER = "semver"
    UNKNOWN = "unknown"

    @property
    def has_byte_keys(self) -> bool:
        """Whether its keys are bytes, which PostgreSQL compares too."""
        return self in _BYTE_KEYS


_BYTE_KEYS: dict[Order, Callable[[str], bytes]] = {
    Order.APK: apk_key,
    Order.DPKG: dpkg_key,
    Order.NUMERIC: numeric_key,
    Order.PACKAGIST: packagist_key,
    Order.PEP440: pep440_key,
    Order.PUB: pub_key,
    Order.RPM: rpm_key,
    Order.SEMVER: semver_key,
}
_UNIVERS: dict[Order, Callable[[str], Any]] = {
    Order.MAVEN: lambda text: univers.MavenVersion(_MAVEN_RELEASE.sub("", text)),
    Order.NUGET: univers.NugetVersion,
    Order.RUBYGEMS: univers.RubygemsVersion,
}


@lru_cache(maxsize=_CACHED_KEYS)
def version_key(order: Order, version: str) -> Any:
    """Return what sorts as the version does among versions of the same order.

    Distinct versions repeat over packages, hosts and records, so keys are kept.
    """
    if order in _BYTE_KEYS:
        return _BYTE_KEYS[order](version)
    if order not in _UNIVERS:
        raise InvalidVersion("the order of this ecosystem's versions is not known")
    text = checked(version)
    try:
        key = _UNIVERS[order](text)
        _ = key < key  # noqa: PLR0124 - some are parsed only when they are compared
    except Exception as error:
        # Foreign parsers raise what they please, and none of it may stop a scan.
        raise InvalidVersion("not a version of this ecosystem") from error
    return key


def byte_key(order: Order, version: str) -> bytes | None:
    """Return the version's key for the database, or None where its order has none there."""
    if not order.has_byte_keys:
        return None
    key: bytes = version_key(order, version)
    return key
