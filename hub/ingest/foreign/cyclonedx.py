"""A CycloneDX bill of materials (JSON, 1.4 to 1.7): what is installed, as Trivy and others say it.

Ecosystems are never guessed. A distribution's package takes its release from the package URL, or
from the bill's one operating system; what names neither is listed in the answer and not stored.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.errors import InvalidInput
from hub.fleet.reports import InstalledPackage
from hub.ingest.foreign.bodies import parsed_json
from hub.ingest.foreign.outcome import Outcome
from hub.ingest.foreign.package_urls import BadPackageUrl, PackageUrl, parse_package_url
from hub.ingest.foreign.releases import Release, ecosystem_of_url
from hub.ingest.foreign.words import one_line

MAX_COMPONENTS = 50_000
VERSIONS = ("1.4", "1.5", "1.6", "1.7")
_MAX_DEPTH = 20
_MAX_TEXT = 256
_TRIVY = "aquasecurity:trivy:"
# Containers, files and applications hold packages; they are none.
_NO_PACKAGES = frozenset(
    {
        "container", "cryptographic-asset", "data", "device", "device-driver", "file", "firmware",
        "machine-learning-model", "operating-system", "platform",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bill:
    """What a bill says is installed, and on what."""

    subject: str
    packages: list[InstalledPackage] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)


def parse_bill(body: bytes) -> Bill:
    """Return the packages of a bill; a component without a place is refused alone."""
    bill = _checked(parsed_json(body))
    metadata = bill.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    components = list(_components(bill.get("components"), depth=0))
    if len(components) > MAX_COMPONENTS:
        raise InvalidInput(f"A bill may have {MAX_COMPONENTS} components.", field="components")
    release = _release([*components, metadata.get("component")])
    outcome = Outcome()
    packages = [
        package
        for index, component in enumerate(components)
        if (package := _package(index, component, release, outcome)) is not None
    ]
    if bill.get("vulnerabilities"):
        outcome.notes.append(
            "`vulnerabilities` was ignored: the hub matches the packages itself, and keeps no VEX."
        )
    return Bill(_subject(metadata), packages, outcome)


def _checked(bill: Any) -> Mapping[str, Any]:
    if not isinstance(bill, Mapping) or bill.get("bomFormat") != "CycloneDX":
        raise InvalidInput(
            'The body must be a CycloneDX bill in JSON: an object with `"bomFormat": "CycloneDX"`.'
            " Attestations and other formats are not read.",
            field="bomFormat",
        )
    if bill.get("specVersion") not in VERSIONS:
        raise InvalidInput(
            f"`specVersion` must be one of {', '.join(VERSIONS)}.", field="specVersion"
        )
    if not isinstance(bill.get("components", []), list) or not bill.get("components"):
        raise InvalidInput(
            "The bill lists no `components`, so there is nothing to store; a VEX document is"
            " not kept.",
            field="components",
        )
    return bill


def _components(told: Any, *, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield components, those inside of others included."""
    if not isinstance(told, list) or depth > _MAX_DEPTH:
        return
    for component in told:
        if isinstance(component, Mapping):
            yield component
            yield from _components(component.get("components"), depth=depth + 1)
        else:
            yield {}


def _release(components: Iterable[Any]) -> Release | None:
    """Return the operating system that the bill is about; two of them are none."""
    found = {
        Release(
            one_line(component.get("name"), max_characters=64).lower(),
            one_line(component.get("version"), max_characters=64),
        )
        for component in components
        if isinstance(component, Mapping) and component.get("type") == "operating-system"
    }
    return found.pop() if len(found) == 1 else None


def _subject(metadata: Mapping[str, Any]) -> str:
    component = metadata.get("component")
    name = component.get("name") if isinstance(component, Mapping) else None
    return one_line(name, max_characters=200) or "bill of materials"


def _package(
    index: int, component: Mapping[str, Any], release: Release | None, outcome: Outcome
) -> InstalledPackage | None:
    kind = str(component.get("type"))
    if kind in _NO_PACKAGES:
        outcome.unchanged += 1
        return None
    purl = component.get("purl")
    if not isinstance(purl, str) or not purl:
        if kind == "application" or not component:
            outcome.unchanged += 1 if component else 0
            if not component:
                outcome.refuse(index, "components", "A component must be an object.")
            return None
        outcome.refuse(index, "purl", "The component has no package URL, so it has no ecosystem.")
        return None
    try:
        url = parse_package_url(purl)
        ecosystem = ecosystem_of_url(url, release)
    except BadPackageUrl as error:
        outcome.refuse(index, "purl", error.reason)
        return None
    return _installed(index, url, ecosystem, component, outcome)


def _installed(
    index: int, url: PackageUrl, ecosystem: str, component: Mapping[str, Any], outcome: Outcome
) -> InstalledPackage | None:
    version = url.version_in_ecosystem() or one_line(
        component.get("version"), max_characters=_MAX_TEXT + 1
    )
    if not version:
        outcome.refuse(index, "version", "The component has no version.")
        return None
    source_name, source_version = _source(_properties(component), url)
    package = InstalledPackage(
        ecosystem, url.name_in_ecosystem(), version, source_name, source_version
    )
    if not all(len(part) <= _MAX_TEXT and _is_printable(part) for part in package):
        outcome.refuse(
            index, "purl", f"Names and versions are printable ASCII, at most {_MAX_TEXT} long."
        )
        return None
    outcome.accepted += 1
    return package


def _source(properties: Mapping[str, str], url: PackageUrl) -> tuple[str, str]:
    """Return the source package: Trivy's properties, or what the URL says (`upstream`)."""
    name = properties.get(f"{_TRIVY}SrcName", "")
    version = properties.get(f"{_TRIVY}SrcVersion", "")
    if not name:
        return _upstream(url.qualifiers.get("upstream", ""))
    if not version:
        return name, ""
    if release := properties.get(f"{_TRIVY}SrcRelease", ""):
        version = f"{version}-{release}"
    epoch = properties.get(f"{_TRIVY}SrcEpoch", "0")
    return name, version if epoch in {"", "0"} else f"{epoch}:{version}"


def _upstream(told: str) -> tuple[str, str]:
    """Return a source of `name@version`, or of the name of a source rpm's file (Syft)."""
    file = told.removesuffix(".src.rpm")
    if file == told:
        name, _, version = told.partition("@")
        return name, version
    name, *build = file.rsplit("-", 2)
    return name, "-".join(build)


def _properties(component: Mapping[str, Any]) -> dict[str, str]:
    told = component.get("properties")
    if not isinstance(told, list):
        return {}
    return {
        one["name"]: one_line(one.get("value"), max_characters=_MAX_TEXT + 1)
        for one in told
        if isinstance(one, Mapping) and isinstance(one.get("name"), str)
    }


def _is_printable(text: str) -> bool:
    return text.isascii() and (text.isprintable() or not text)
