"""Package URLs (`pkg:deb/debian/openssl@3.0.15?distro=debian-12`), and what OSV calls the parts."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_TYPE = re.compile(r"[a-z][a-z0-9.+-]{0,40}")
_PYPI_SEPARATORS = re.compile(r"[-_.]+")
_MAX_CHARACTERS = 2_000


class BadPackageUrl(Exception):  # noqa: N818 - reads as what it is
    """The URL cannot be read, or names nothing that has an ecosystem."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PackageUrl:
    """The parts of a package URL, decoded."""

    type: str
    namespace: str
    name: str
    version: str
    qualifiers: dict[str, str] = field(default_factory=dict)

    def name_in_ecosystem(self) -> str:
        """Return the name as advisories spell it."""
        if self.type == "pypi":  # PEP 503
            return _PYPI_SEPARATORS.sub("-", self.name).lower()
        if self.type == "maven":
            return f"{self.namespace}:{self.name}" if self.namespace else self.name
        if self.type in {"npm", "golang", "composer", "swift", "github"} and self.namespace:
            return f"{self.namespace}/{self.name}"
        return self.name

    def version_in_ecosystem(self) -> str:
        """Return the version as the package manager spells it, the epoch included."""
        epoch = self.qualifiers.get("epoch", "")
        if self.type in {"rpm", "deb"} and epoch not in {"", "0"} and ":" not in self.version:
            return f"{epoch}:{self.version}"
        return self.version


def parse_package_url(text: str) -> PackageUrl:
    """Read a package URL by its specification."""
    if len(text) > _MAX_CHARACTERS:
        raise BadPackageUrl("The package URL is too long.")
    scheme, _, rest = text.partition(":")
    rest, _, _subpath = rest.partition("#")
    rest, _, query = rest.partition("?")
    kind, _, path = rest.lstrip("/").partition("/")
    if scheme != "pkg" or not _TYPE.fullmatch(kind.lower()):
        raise BadPackageUrl("This is no package URL (`pkg:type/name@version`).")
    # From the right: npm scopes start with `@`, often without being escaped.
    place, at, version = path.rstrip("/").rpartition("@")
    if not at or not place or place.endswith("/"):
        place, version = path.rstrip("/"), ""
    *namespace, name = [unquote(part) for part in place.split("/") if part] or [""]
    if not name:
        raise BadPackageUrl("The package URL has no name.")
    return PackageUrl(kind.lower(), "/".join(namespace), name, unquote(version), _qualifiers(query))


def _qualifiers(query: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return {key.lower(): unquote(value) for key, _, value in pairs if value}
