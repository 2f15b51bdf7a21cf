"""CVE v5 records as the schema allows them, beyond what the kernel's CNA writes most days."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.vulnerabilities.index_rows import index_rows
from hub.vulnerabilities.kernel_records import read_kernel_record
from hub.vulnerabilities.records import Document, RecordRefused
from hub.vulnerabilities.versions.semver import semver_key
from tests.hub.vulnerabilities.scene import MONDAY

NAME = "CVE-2024-99999"


def read(*versions: dict[str, Any], block: dict[str, Any] | None = None, **facts: Any) -> Document:
    """Read a record with one block, unaffected by default."""
    told = {"product": "Linux", "defaultStatus": "unaffected", "versions": list(versions)}
    data = {
        "cveMetadata": {"cveId": NAME, "state": "PUBLISHED"} | facts,
        "containers": {"cna": {"title": "t", "affected": [told | (block or {})]}},
    }
    return read_kernel_record(data, name=NAME, modified=MONDAY)


def affected(document: Document, *releases: str) -> list[str]:
    """Return which of the releases the record affects."""
    rows = index_rows(document)
    return [
        release
        for release in releases
        if any(row.interval.holds(document.affected[0].ecosystem.order, release) for row in rows)
    ]


def entry(version: str, **end: str) -> dict[str, str]:
    """Return one entry of affected versions."""
    return {"version": version, "status": "affected", "versionType": "semver"} | end


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"lessThan": "6.1.20"}, ["6.1.10", "6.1.19"]),
        ({"lessThanOrEqual": "6.1.20"}, ["6.1.10", "6.1.19", "6.1.20"]),
        ({"lessThanOrEqual": "6.1.*"}, ["6.1.10", "6.1.19", "6.1.20", "6.1.99"]),
        ({"lessThanOrEqual": "*"}, ["6.1.10", "6.1.19", "6.1.20", "6.1.99", "6.2", "6.12"]),
        ({"lessThan": "*"}, ["6.1.10", "6.1.19", "6.1.20", "6.1.99", "6.2", "6.12"]),
        ({}, ["6.1.10"]),  # one version, and no range
    ],
)
def test_each_way_to_end_a_range_is_read(end: dict[str, str], expected: list[str]) -> None:
    document = read(entry("6.1.10", **end))
    releases = ("6.1.9", "6.1.10", "6.1.19", "6.1.20", "6.1.99", "6.2", "6.12")
    assert affected(document, *releases) == expected


def test_a_candidate_comes_before_the_release_that_fixes() -> None:
    document = read(entry("6.9", lessThan="6.10"))
    assert affected(document, "6.9", "6.10.0-rc7", "6.10") == ["6.9", "6.10.0-rc7"]
    assert semver_key("6.10-rc7") == semver_key("6.10.0-rc7")


def test_what_another_product_has_is_no_version_of_the_kernel() -> None:
    with pytest.raises(RecordRefused, match="it speaks of no version of Linux"):
        read(entry("2.4.0", lessThan="2.4.58"), block={"product": "Apache HTTP Server"})


def test_a_date_without_offset_is_in_utc() -> None:
    document = read(entry("6.1"), datePublished="2024-02-20T12:52:57")
    assert document.published == datetime(2024, 2, 20, 12, 52, 57, tzinfo=UTC)
