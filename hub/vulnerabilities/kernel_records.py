"""CVE v5 records of the Linux kernel's own CNA, read as one advisory of package `Linux/Kernel`.

A record has two blocks. The one that is unaffected by default lists ranges: branches into which
the fault was backported, each from its own first to its own last version. The one that is affected
by default lists where the fault began and, per stable branch, where it was fixed; between two
fixes every version is affected, from the start of the branch after the first fix on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from hub.vulnerabilities.ecosystems import KERNEL_ECOSYSTEM, KERNEL_PACKAGE, ecosystem_of
from hub.vulnerabilities.ranges import BEGINNING, Range
from hub.vulnerabilities.records import Affected, Document, Rating, RecordRefused, read_instant
from hub.vulnerabilities.versions.encoding import InvalidVersion
from hub.vulnerabilities.versions.semver import semver_key

_CVSS = {"cvssV4_0": "CVSS_V4", "cvssV3_1": "CVSS_V3", "cvssV3_0": "CVSS_V3", "cvssV2_0": "CVSS_V2"}
_PRODUCT = "Linux"  # a checkout of everybody's CVEs holds other products too
_CVE = re.compile(r"CVE-[0-9A-Za-z-]{1,60}")
# From a version until an end (None: until today), and whether the end is affected too.
type Span = tuple[str, str | None, bool]


def read_kernel_record(
    data: object, *, name: str, modified: datetime, is_rejected: bool = False
) -> Document:
    """Read one record. A rejected one is found by its folder: older files still say PUBLISHED."""
    try:
        return _document(data, modified, is_rejected=is_rejected)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordRefused(name, f"is not a CVE v5 record of the kernel: {error!r}") from error


def _document(data: Any, modified: datetime, *, is_rejected: bool) -> Document:
    metadata, container = data["cveMetadata"], data["containers"]["cna"]
    rejected = is_rejected or metadata.get("state") == "REJECTED"
    identity = metadata["cveId"]
    if not isinstance(identity, str) or _CVE.fullmatch(identity) is None:
        raise ValueError("`cveId` is not a CVE")
    told = container.get("affected") or ()
    blocks = [block for block in told if block.get("product", _PRODUCT) == _PRODUCT]
    if not blocks and not rejected:
        raise ValueError("it speaks of no version of Linux")
    spans = list(dict.fromkeys(_spans(blocks)))
    affected = Affected(
        ecosystem=ecosystem_of(KERNEL_ECOSYSTEM),
        name=KERNEL_PACKAGE,
        ranges=tuple(_range(span) for span in spans),
    )
    details = next((each["value"] for each in container.get("descriptions", ())), "")
    return Document(
        id=identity,
        modified=modified,
        published=read_instant(metadata.get("datePublished"), "datePublished"),
        withdrawn=modified if rejected else None,
        summary=str(container.get("title") or details[:300]),
        ratings=tuple(_ratings(container)),
        affected=(affected,) if spans else (),
        record={"details": details, "references": container.get("references", [])},
    )


def _spans(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    for block in blocks:
        versions = [each for each in block.get("versions", ()) if each.get("versionType") != "git"]
        if block.get("defaultStatus") == "affected":
            yield from _chained(versions)
        else:
            yield from _listed(versions)


def _listed(versions: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    for each in versions:
        if each.get("status") == "affected":
            yield _listed_span(each)


def _listed_span(entry: Mapping[str, Any]) -> Span:
    """Return what one entry says; without an end it is a single version (CVE schema 5.1)."""
    start, last = entry["version"], entry.get("lessThanOrEqual")
    if (end := entry.get("lessThan")) is not None:
        return start, None if end == "*" else end, False
    if last is None:
        return start, start, True
    if last.endswith("*"):
        return start, _branch_after(last), False
    return start, last, True


def _chained(versions: list[Mapping[str, Any]]) -> Iterator[Span]:
    """Yield from where the fault began to the fix of each branch, and on from the next branch."""
    began = [each["version"] for each in versions if each.get("status") == "affected"]
    fixes = sorted(
        (
            (each["version"], each["lessThanOrEqual"])
            for each in versions
            if each.get("status") == "unaffected" and each.get("lessThanOrEqual")
        ),
        key=lambda fix: semver_key(fix[0]),
    )
    start: str | None = min(began, key=semver_key) if began else BEGINNING
    for fixed, until in fixes:
        if start is None:
            return
        if semver_key(fixed) > semver_key(start):
            yield start, fixed, False
        following = _branch_after(until)
        if following is None or semver_key(following) > semver_key(start):
            start = following
    if start is not None:
        yield start, None, False


def _branch_after(until: str) -> str | None:
    """Return 6.7 for `6.6.*`; None for `*`, after which everything is fixed."""
    numbers = until.removesuffix("*").rstrip(".").split(".")
    if numbers == [""]:
        return None
    return ".".join((*numbers[:-1], str(int(numbers[-1]) + 1)))


def _range(span: Span) -> Range:
    start, end, includes_end = span
    events = [("introduced", start)]
    if end is not None:
        events.append(("last_affected" if includes_end else "fixed", end))
    for _, version in events:
        _check(version)
    return Range("SEMVER", tuple(events))


def _check(version: str) -> None:
    try:
        semver_key(version)
    except InvalidVersion as error:
        raise ValueError(f"{version[:40]!r} is no version of the kernel") from error


def _ratings(container: Mapping[str, Any]) -> Iterator[Rating]:
    for metric in container.get("metrics") or ():
        for key, kind in _CVSS.items():
            if key in metric:
                yield Rating(kind, str(metric[key].get("vectorString", "")))
