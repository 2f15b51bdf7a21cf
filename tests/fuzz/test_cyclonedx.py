"""The bill's parser never fails in a way of its own, and neither does that of package URLs."""

import contextlib

from hypothesis import strategies as st

from hub.ingest.foreign.cyclonedx import parse_bill
from hub.ingest.foreign.package_urls import BadPackageUrl, parse_package_url
from hub.ingest.foreign.releases import ecosystem_of_url
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import bodies, check_text, outcome_of
from tests.hub.ingest.test_cyclonedx import bill, library

GOOD = bill(
    {"type": "operating-system", "name": "debian", "version": "12.8"},
    library(
        "pkg:deb/debian/libssl3@3.0.15-1?distro=debian-12.8",
        version="3.0.15-1",
        properties=[{"name": "aquasecurity:trivy:SrcName", "value": "openssl"}],
    ),
    library("pkg:npm/%40angular/core@17.0.0", components=[library("pkg:pypi/a@1")]),
)
_PARTS = st.sampled_from(
    ["pkg:", "deb", "npm", "rpm", "apk", "/", "@", "?", "#", "&", "=", "%", "%40", "%00", "distro",
     "debian-12", "epoch=1", "ubuntu-22.04", "1.0", "a", ":", "\u00e9", "²²"]
)  # fmt: skip


def test_each_body_is_read_or_refused() -> None:
    def check(body: bytes) -> None:
        read = outcome_of(parse_bill, body)
        for package in read.packages if read else ():
            check_text(*package)
            assert all(len(part) <= 256 for part in package)
            assert package.ecosystem
            assert package.name
            assert package.version

    fuzz(bodies(GOOD), check)


def test_each_package_url_is_read_or_refused() -> None:
    def check(text: str) -> None:
        with contextlib.suppress(BadPackageUrl):
            assert ecosystem_of_url(parse_package_url(text), None)

    fuzz(st.text(max_size=60) | st.lists(_PARTS, max_size=14).map("".join), check)
