"""Bills of materials: ecosystems from what the bill says, sources told apart, nothing wiped out."""

from typing import Any

import orjson
import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub.database import Database
from hub.fleet.models import AgentPackage, PackageVersion
from hub.fleet.reports import InstalledPackage
from hub.ingest.foreign.cyclonedx import parse_bill
from hub.ingest.foreign.package_urls import BadPackageUrl, parse_package_url
from hub.ingest.foreign.releases import Release, ecosystem_of_url
from hub.ingest.keys.models import IngestSource
from hub.tenancy.models import Tenant
from hub.vulnerabilities.inventory import take_inventory
from tests.factories import make_agent
from tests.hub.ingest.conftest import Send

HOST = {"params": {"host": "web-01"}}


def library(purl: str, **changes: Any) -> dict[str, Any]:
    return {"type": "library", "name": "x", "purl": purl} | changes


def bill(*components: Any, **changes: Any) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "container", "name": "shop"}},
        "components": list(components),
    } | changes


@pytest.mark.parametrize(
    ("purl", "ecosystem", "name", "version"),
    [
        (
            "pkg:deb/debian/libssl3@1%3A3.0.15-1?distro=debian-12.8",
            "Debian:12", "libssl3", "1:3.0.15-1",
        ),
        (
            "pkg:deb/debian/login@4.5-1?epoch=1&distro=debian-10",
            "Debian:10", "login", "1:4.5-1",
        ),
        ("pkg:deb/debian/tar@1.34?distro=bookworm", "Debian:12", "tar", "1.34"),
        (
            "pkg:deb/ubuntu/curl@7.81.0-1?distro=ubuntu-22.04",
            "Ubuntu:22.04:LTS", "curl", "7.81.0-1",
        ),
        ("pkg:deb/ubuntu/curl@8.1?distro=ubuntu-23.10", "Ubuntu:23.10", "curl", "8.1"),
        (
            "pkg:rpm/rocky/bash@5.1.8-6.el9?epoch=2&distro=rocky-9.3",
            "Rocky Linux:9", "bash", "2:5.1.8-6.el9",
        ),
        ("pkg:rpm/alma/bash@5?distro=almalinux-8.9", "AlmaLinux:8", "bash", "5"),
        ("pkg:rpm/opensuse/bash@5?distro=opensuse-leap-15.5", "openSUSE:Leap 15.5", "bash", "5"),
        ("pkg:rpm/azurelinux/bash@5?distro=azurelinux-3.0", "Azure Linux:3", "bash", "5"),
        ("pkg:rpm/photon/bash@5?distro=photon-5.0", "Photon OS:5.0", "bash", "5"),
        ("pkg:rpm/mageia/bash@5?distro=mageia-9", "Mageia:9", "bash", "5"),
        ("pkg:deb/echo/bash@5", "Echo", "bash", "5"),
        ("pkg:apk/alpine/musl@1.2.4-r2?distro=3.18.4", "Alpine:v3.18", "musl", "1.2.4-r2"),
        ("pkg:apk/alpine/musl@1.2.4-r2?distro=alpine-3.19.1", "Alpine:v3.19", "musl", "1.2.4-r2"),
        ("pkg:apk/wolfi/busybox@1.36.1-r5", "Wolfi", "busybox", "1.36.1-r5"),
        ("pkg:npm/%40angular/core@17.0.0", "npm", "@angular/core", "17.0.0"),
        ("pkg:npm/@angular/core@17.0.0", "npm", "@angular/core", "17.0.0"),
        ("pkg:npm/left-pad@1.3.0", "npm", "left-pad", "1.3.0"),
        ("pkg:pypi/Zope.Interface@6.0", "PyPI", "zope-interface", "6.0"),
        (
            "pkg:golang/github.com/gin-gonic/gin@v1.9.1#sub",
            "Go", "github.com/gin-gonic/gin", "v1.9.1",
        ),
        (
            "pkg:maven/org.apache.logging.log4j/log4j-core@2.17.1?type=jar",
            "Maven", "org.apache.logging.log4j:log4j-core", "2.17.1",
        ),
        ("pkg:composer/laravel/framework@7.12.0", "Packagist", "laravel/framework", "7.12.0"),
        ("pkg:cargo/serde@1.0.0", "crates.io", "serde", "1.0.0"),
        ("pkg:gem/rails@7.0.0", "RubyGems", "rails", "7.0.0"),
    ],
)  # fmt: skip
def test_package_urls_become_what_advisories_call_them(
    purl: str, ecosystem: str, name: str, version: str
) -> None:
    url = parse_package_url(purl)
    assert (
        ecosystem_of_url(url, None),
        url.name_in_ecosystem(),
        url.version_in_ecosystem(),
    ) == (ecosystem, name, version)


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:deb/debian/tar@1.34",  # no release
        "pkg:rpm/centos/bash@4.2?distro=centos-7.6.1810",  # no advisories in OSV's form
        "pkg:generic/thing@1",
        "pkg:docker/nginx@1",
        "npm/left-pad@1",
        "pkg:npm/",
        "pkg:",
        "",
    ],
)
def test_what_has_no_ecosystem_is_not_given_one(purl: str) -> None:
    with pytest.raises(BadPackageUrl):
        ecosystem_of_url(parse_package_url(purl), None)


def test_the_bills_operating_system_tells_the_release_for_its_own_packages_only() -> None:
    release = Release("debian", "12.8")
    own = parse_package_url("pkg:deb/debian/tar@1.34")
    other = parse_package_url("pkg:deb/ubuntu/tar@1.34")
    assert ecosystem_of_url(own, release) == "Debian:12"
    with pytest.raises(BadPackageUrl):
        ecosystem_of_url(other, release)


def test_trivys_properties_name_the_source_package() -> None:
    properties = [
        {"name": "aquasecurity:trivy:SrcName", "value": "openssl"},
        {"name": "aquasecurity:trivy:SrcVersion", "value": "3.0.15"},
        {"name": "aquasecurity:trivy:SrcRelease", "value": "1"},
        {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"},
    ]
    told = bill(
        {"type": "operating-system", "name": "debian", "version": "12.8"},
        library("pkg:deb/debian/libssl3@3.0.15-1", properties=properties),
    )
    assert parse_bill(orjson.dumps(told)).packages == [
        InstalledPackage("Debian:12", "libssl3", "3.0.15-1", "openssl", "1:3.0.15-1")
    ]


@pytest.mark.parametrize(
    ("purl", "source"),
    [
        (
            "pkg:rpm/rocky/openssl-libs@3.0.7-27.el9?distro=rocky-9&upstream=openssl-3.0.7-27.el9.src.rpm",
            ("openssl", "3.0.7-27.el9"),
        ),
        (
            "pkg:deb/debian/libssl3@3.0.15-1%2Bb1?distro=debian-12&upstream=openssl@3.0.15-1",
            ("openssl", "3.0.15-1"),
        ),
    ],
)
def test_the_upstream_of_a_package_url_names_the_source_package(
    purl: str, source: tuple[str, str]
) -> None:
    [package] = parse_bill(orjson.dumps(bill(library(purl)))).packages
    assert (package.source_name, package.source_version) == source


def test_components_inside_of_others_are_read() -> None:
    nested = {
        "type": "application",
        "name": "app",
        "components": [library("pkg:npm/left-pad@1.3.0")],
    }
    assert [one.name for one in parse_bill(orjson.dumps(bill(nested))).packages] == ["left-pad"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "bomFormat"),
        ({"payloadType": "application/vnd.in-toto+json"}, "bomFormat"),
        (bill(library("pkg:npm/a@1"), specVersion="1.2"), "specVersion"),
        (bill(), "components"),
        (bill(components=7), "components"),
    ],
)
async def test_what_is_no_bill_is_refused(body: Any, field: str, send: Send) -> None:
    response = await send(IngestSource.CYCLONEDX, body, **HOST)
    assert (response.status_code, response.json()["error"]["field"]) == (422, field)


async def test_what_cannot_be_placed_is_named_and_the_rest_is_stored(
    send: Send, database: Database, tenant: Tenant
) -> None:
    await make_agent(database, tenant, name="web-01")
    response = await send(
        IngestSource.CYCLONEDX,
        bill(
            library("pkg:npm/left-pad@1.3.0"),
            library("pkg:deb/debian/tar@1.34"),
            {"type": "library", "name": "nameless"},
            library("pkg:npm/no-version"),
            vulnerabilities=[{"id": "CVE-2024-1"}],
        ),
        **HOST,
    )
    told = response.json()
    assert (response.status_code, told["status"], told["accepted"]) == (202, "partial", 1)
    assert [(one["index"], one["field"]) for one in told["rejected"]] == [
        (1, "purl"),
        (2, "purl"),
        (3, "version"),
    ]
    assert "vulnerabilities" in told["notes"][0]


async def test_a_bill_and_the_hosts_own_list_leave_each_other_alone(
    send: Send, database: Database, tenant: Tenant
) -> None:
    agent = await make_agent(database, tenant, name="web-01")
    own = InstalledPackage("Debian:12", "tar", "1.34")
    both = InstalledPackage("npm", "left-pad", "1.3.0")

    async def agent_reports(*packages: InstalledPackage) -> None:
        async with database.transaction(tenant_id=tenant.id) as session:
            await take_inventory(session, tenant_id=tenant.id, agent_id=agent.id, packages=packages)

    async def installed() -> set[str]:
        async with database.transaction(tenant_id=tenant.id) as session:
            rows = await session.scalars(
                select(col(PackageVersion.name)).join(
                    AgentPackage, col(AgentPackage.package_version_id) == col(PackageVersion.id)
                )
            )
            return set(rows)

    await agent_reports(own, both)
    first = await send(
        IngestSource.CYCLONEDX,
        bill(library("pkg:npm/left-pad@1.3.0"), library("pkg:npm/is-odd@1.0.0")),
        **HOST,
    )
    assert first.json()["accepted"] == 2
    assert await installed() == {"tar", "left-pad", "is-odd"}

    await agent_reports(own)  # the bill still tells of left-pad
    assert await installed() == {"tar", "left-pad", "is-odd"}
    await send(IngestSource.CYCLONEDX, bill(library("pkg:npm/is-odd@1.0.0")), **HOST)
    assert await installed() == {"tar", "is-odd"}
    other = bill(library("pkg:npm/is-even@1.0.0"))
    await send(IngestSource.CYCLONEDX, other, params=HOST["params"] | {"subject": "other"})
    assert await installed() == {"tar", "is-odd", "is-even"}
    again = await send(IngestSource.CYCLONEDX, other, params=HOST["params"] | {"subject": "other"})
    assert (again.json()["accepted"], again.json()["unchanged"]) == (0, 1)


async def test_a_bill_of_nobody_is_refused(send: Send, database: Database, tenant: Tenant) -> None:
    response = await send(IngestSource.CYCLONEDX, bill(library("pkg:npm/left-pad@1.3.0")))
    assert (response.status_code, response.json()["error"]["field"]) == (422, "host")
    async with database.transaction(tenant_id=tenant.id) as session:
        assert await session.scalar(select(func.count()).select_from(PackageVersion)) == 0


def test_a_type_that_is_no_word_is_no_fault() -> None:
    told = bill(library("pkg:npm/left-pad@1.3.0", type=["library"]))
    assert [one.name for one in parse_bill(orjson.dumps(told)).packages] == ["left-pad"]
