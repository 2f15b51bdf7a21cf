"""Which packages an advisory affects: the traps that make scanners cry wolf, one test each."""

import time
from typing import Any

import pytest

from hub.severity import Severity
from hub.vulnerabilities.index_rows import index_rows
from hub.vulnerabilities.models import FindingState
from hub.vulnerabilities.records import read_record
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record


async def test_a_package_below_the_fix_is_affected_and_at_the_fix_it_is_not(scene: Scene) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("1.2.3", kind="SEMVER"))
    await scene.publish(known)
    await scene.host("old", ("npm", name, "1.2.2"))
    await scene.host("new", ("npm", name, "1.2.3"))
    [finding] = await scene.findings()
    assert finding.agent_id == scene.agent_id("old")
    assert (finding.advisory_id, finding.installed_version) == (known["id"], "1.2.2")
    assert (finding.fixed_version, finding.state) == ("1.2.3", FindingState.OPEN)


async def test_an_advisory_that_arrives_later_finds_the_hosts_that_are_there(scene: Scene) -> None:
    name = fresh()
    await scene.host("web", ("npm", name, "1.0.0"))
    assert await scene.unfixed() == []
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    await scene.publish(known)
    assert await scene.unfixed() == [known["id"]]


async def test_a_deb_is_matched_by_its_source_and_the_sources_version(scene: Scene) -> None:
    source, binary = fresh("src"), fresh("bin")
    about_source = record("Debian:12", source, fixed_in("3.0.15-1"))
    about_binary_name = record("Debian:12", binary, fixed_in("99"))
    await scene.publish(about_source, about_binary_name)
    # The binary's version is above the fix, its source's is below.
    await scene.host("web", ("Debian:12", binary, "4:9.9-1+b3", source, "3.0.14-1"))
    assert await scene.unfixed() == [about_source["id"]]


async def test_a_deb_without_source_version_loses_its_rebuild_mark(scene: Scene) -> None:
    name = fresh()
    known = record("Debian:12", name, {"type": "ECOSYSTEM", "events": [
        {"introduced": "0"}, {"last_affected": "1.0-1"}]})  # fmt: skip
    await scene.publish(known)
    await scene.host("web", ("Debian:12", name, "1.0-1+b2", name, ""))
    assert await scene.unfixed() == [known["id"]]


async def test_an_rpm_is_matched_by_its_source_and_by_its_binary(scene: Scene) -> None:
    source, binary = fresh("src"), fresh("bin")
    by_source = record("Rocky Linux:9", source, fixed_in("0:2.0-1.el9"))
    by_binary = record("Rocky Linux:9", binary, fixed_in("0:2.0-1.el9"))
    await scene.publish(by_source, by_binary)
    await scene.host("db", ("Rocky Linux:9", binary, "1.9-4.el9", source, "1.9-4.el9"))
    assert await scene.unfixed() == sorted([by_source["id"], by_binary["id"]])


async def test_epochs_outweigh_versions(scene: Scene) -> None:
    name = fresh()
    await scene.publish(record("Debian:12", name, fixed_in("9.0-1")))
    await scene.host("web", ("Debian:12", name, "1:1.0-1", name, "1:1.0-1"))
    assert await scene.unfixed() == []


@pytest.mark.parametrize(
    ("ecosystem", "fix", "installed", "is_affected"),
    [
        ("Debian:12", "1.0-1", "1.0~rc1-1", True),  # a tilde comes before the end
        ("Debian:12", "1.0~rc2-1", "1.0-1", False),
        ("Rocky Linux:9", "1.0^git2-1", "1.0^git1-1", True),
        ("Rocky Linux:9", "1.0^git1-1", "1.0-1", True),  # a caret comes after the end
        ("Rocky Linux:9", "1.0-1", "1.0^git1-1", False),
        ("npm", "1.0.0", "1.0.0-beta.2", True),  # a prerelease comes before the release
        ("npm", "1.0.0-beta.2", "1.0.0", False),
        ("PyPI", "1.0", "1.0.dev1", True),
        ("PyPI", "1.0.0", "1.0", False),
        ("Alpine:v3.20", "1.2.3-r2", "1.2.3-r1", True),
        ("Alpine:v3.20", "1.2.3-r2", "1.2.3_rc1-r5", True),
        ("Maven", "2.15.0", "2.14.1", True),
        ("Maven", "2.15.0", "2.15.0.RELEASE", False),
        ("RubyGems", "1.0.0", "1.0.0.rc1", True),
        ("NuGet", "13.0.1", "12.0.3", True),
        ("Packagist", "1.0.0", "1.0.0-RC1", True),
        ("Go", "1.22.2", "v1.22.1", True),
        ("crates.io", "0.4.20", "0.4.20+build7", False),
    ],
)
async def test_each_ecosystem_has_its_order(
    scene: Scene, ecosystem: str, fix: str, installed: str, *, is_affected: bool
) -> None:
    name = fresh()
    known = record(ecosystem, name, fixed_in(fix))
    await scene.publish(known)
    await scene.host("web", (ecosystem, name, installed))
    assert await scene.unfixed() == ([known["id"]] if is_affected else [])


async def test_introduced_zero_comes_before_every_version(scene: Scene) -> None:
    name = fresh()
    known = record("Debian:12", name, fixed_in("1.0-1"))
    await scene.publish(known)
    await scene.host("web", ("Debian:12", name, "0~~alpha", name, "0~~alpha"))
    assert await scene.unfixed() == [known["id"]]


async def test_last_affected_is_affected_and_what_follows_is_not(scene: Scene) -> None:
    name = fresh()
    events = [{"introduced": "1.0.0"}, {"last_affected": "1.5.0"}]
    known = record("npm", name, {"type": "SEMVER", "events": events})
    await scene.publish(known)
    await scene.host("at", ("npm", name, "1.5.0"))
    await scene.host("after", ("npm", name, "1.5.1"))
    [finding] = await scene.findings()
    assert (finding.installed_version, finding.fixed_version) == ("1.5.0", None)


async def test_nothing_is_affected_from_the_limit_on(scene: Scene) -> None:
    name = fresh()
    events = [{"introduced": "0"}, {"limit": "2.0.0"}]
    await scene.publish(record("npm", name, {"type": "SEMVER", "events": events}))
    await scene.host("below", ("npm", name, "1.9.9"))
    await scene.host("at", ("npm", name, "2.0.0"))
    assert [f.installed_version for f in await scene.findings()] == ["1.9.9"]


async def test_the_fix_named_is_that_of_the_versions_own_branch(scene: Scene) -> None:
    name = fresh()
    events = [{"introduced": "0"}, {"fixed": "1.21.9"}, {"introduced": "1.22.0-0"},
              {"fixed": "1.22.2"}]  # fmt: skip
    await scene.publish(record("Go", name, {"type": "SEMVER", "events": events}))
    await scene.host("a-old", ("Go", name, "1.21.8"))
    await scene.host("b-new", ("Go", name, "1.22.1"))
    await scene.host("c-fixed", ("Go", name, "1.21.9"))
    found = sorted((f.installed_version, f.fixed_version) for f in await scene.findings())
    assert found == [("1.21.8", "1.21.9"), ("1.22.1", "1.22.2")]


async def test_a_listed_version_is_affected_without_any_range(scene: Scene) -> None:
    name = fresh()
    known = record("PyPI", name, id=fresh("MAL"), block={"versions": ["0.0.1"], "ranges": []})
    known["id"] = known["id"].replace("MAL-", "MAL-2026-")
    await scene.publish(known)
    await scene.host("bad", ("PyPI", name, "0.0.1"))
    await scene.host("good", ("PyPI", name, "0.0.2"))
    [finding] = await scene.findings()
    assert (finding.installed_version, finding.severity) == ("0.0.1", Severity.CRITICAL)


async def test_a_listed_version_that_has_no_place_in_the_order_still_counts(scene: Scene) -> None:
    name = fresh()
    known = record("PyPI", name, block={"versions": ["0.1-bulbasaur"], "ranges": []})
    await scene.publish(known)
    await scene.host("web", ("PyPI", name, "0.1-bulbasaur"))
    assert await scene.unfixed() == [known["id"]]


async def test_python_names_are_normalised(scene: Scene) -> None:
    name = fresh("Flask")
    known = record("PyPI", name.replace("-", "_"), fixed_in("2.0"))
    await scene.publish(known)
    await scene.host("web", ("PyPI", name.upper().replace("-", "."), "1.0"))
    assert await scene.unfixed() == [known["id"]]


async def test_npm_names_are_exact(scene: Scene) -> None:
    name = fresh("Left-Pad")
    await scene.publish(record("npm", name, fixed_in("2.0.0", kind="SEMVER")))
    await scene.host("web", ("npm", name.lower(), "1.0.0"))
    assert await scene.unfixed() == []


async def test_another_release_of_the_same_distribution_is_not_meant(scene: Scene) -> None:
    name = fresh()
    await scene.publish(record("Debian:11", name, fixed_in("2.0-1")))
    await scene.host("web", ("Debian:12", name, "1.0-1", name, "1.0-1"))
    assert await scene.unfixed() == []


async def test_ubuntu_releases_are_the_same_with_and_without_lts(scene: Scene) -> None:
    name = fresh()
    known = record("Ubuntu:22.04:LTS", name, fixed_in("2.0-1"))
    await scene.publish(known)
    await scene.host("web", ("Ubuntu:22.04", name, "1.0-1", name, "1.0-1"))
    assert await scene.unfixed() == [known["id"]]


def pro_record(name: str) -> dict[str, Any]:
    """Return a record that is fixed for Ubuntu Pro, and for nobody else."""
    known = record("Ubuntu:18.04:LTS", name, {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]})
    pro = {"ecosystem": "Ubuntu:Pro:18.04:LTS", "name": name}
    known["affected"].append({"package": pro, "ranges": [fixed_in("1.0-1ubuntu1+esm1")]})
    return known


async def test_a_fix_of_ubuntu_pro_is_offered_to_hosts_with_pro_alone(scene: Scene) -> None:
    name = fresh()
    await scene.publish(pro_record(name))
    await scene.host("plain", ("Ubuntu:18.04:LTS", name, "1.0-1", name, "1.0-1"))
    await scene.host("pro", ("Ubuntu:Pro:18.04:LTS", name, "1.0-1", name, "1.0-1"))
    fixes = {f.agent_id: f.fixed_version for f in await scene.findings()}
    assert fixes == {scene.agent_id("plain"): None, scene.agent_id("pro"): "1.0-1ubuntu1+esm1"}


async def test_a_host_with_pro_that_has_the_fix_is_not_affected(scene: Scene) -> None:
    name, version = fresh(), "1.0-1ubuntu1+esm1"
    await scene.publish(pro_record(name))
    await scene.host("pro", ("Ubuntu:Pro:18.04:LTS", name, version, name, version))
    assert await scene.unfixed() == []


async def test_commits_are_undecided_and_not_affected(scene: Scene) -> None:
    name = fresh()
    events = [{"introduced": "0"}, {"fixed": "cf41627411886000429bde058a6594fb7f6d6d47"}]
    known = record("Go", name, {"type": "GIT", "repo": "r", "events": events})
    await scene.publish(known)
    await scene.host("web", ("Go", name, "1.0.0"))
    assert await scene.unfixed() == []
    [(advisory_id, reason)] = await scene.undecided()
    assert advisory_id == known["id"]
    assert reason == "only commits are named, and which versions hold them is not known here"


async def test_a_version_without_a_place_is_listed_and_stops_nothing(scene: Scene) -> None:
    odd, plain = fresh("odd"), fresh("plain")
    of_odd, of_plain = (record("PyPI", name, fixed_in("2.0")) for name in (odd, plain))
    await scene.publish(of_odd, of_plain)
    await scene.host("web", ("PyPI", odd, "2.0.1rc2-git"), ("PyPI", plain, "1.0"))
    assert await scene.unfixed() == [of_plain["id"]]
    assert await scene.undecided() == [(of_odd["id"], "the version: not a version of PEP 440")]


async def test_a_withdrawn_record_takes_its_findings_away(scene: Scene) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    await scene.publish(known)
    await scene.host("web", ("npm", name, "1.0.0"))
    later = (MONDAY + HOUR).isoformat()
    await scene.publish(known | {"withdrawn": later, "modified": later})
    [finding] = await scene.findings()
    assert finding.state is FindingState.FIXED


async def test_a_record_older_than_the_stored_one_is_ignored(scene: Scene) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    await scene.publish(known)
    older = record("npm", name, fixed_in("1.0.0", kind="SEMVER"), id=known["id"])
    await scene.publish(older | {"modified": (MONDAY - HOUR).isoformat()})
    await scene.host("web", ("npm", name, "1.5.0"))
    assert await scene.unfixed() == [known["id"]]


async def test_a_newer_record_that_no_longer_names_a_package_closes_its_findings(
    scene: Scene,
) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    await scene.publish(known)
    await scene.host("web", ("npm", name, "1.0.0"))
    moved = record("npm", fresh(), fixed_in("2.0.0", kind="SEMVER"), id=known["id"])
    await scene.publish(moved | {"modified": (MONDAY + HOUR).isoformat()})
    assert await scene.unfixed() == []


async def test_ubuntus_listed_binary_is_a_second_way_to_match(scene: Scene) -> None:
    source, binary = fresh("src"), fresh("bin")
    binaries = [{"binary_name": binary, "binary_version": "5:2.0-1"}]
    known = record("Ubuntu:22.04:LTS", source, fixed_in("2.0-1"),
                   block={"ecosystem_specific": {"binaries": binaries}})  # fmt: skip
    await scene.publish(known)
    await scene.host("old", ("Ubuntu:22.04:LTS", binary, "5:1.9-1"))
    await scene.host("new", ("Ubuntu:22.04:LTS", binary, "5:2.0-1"))
    [finding] = await scene.findings()
    assert (finding.installed_version, finding.fixed_version) == ("5:1.9-1", "5:2.0-1")


async def test_an_update_closes_the_finding_and_keeps_since_when_it_was_known(
    scene: Scene,
) -> None:
    name = fresh()
    await scene.publish(record("npm", name, fixed_in("2.0.0", kind="SEMVER")))
    await scene.host("web", ("npm", name, "1.0.0"))
    await scene.host("web", ("npm", name, "2.0.0"), at=MONDAY + HOUR)
    [closed] = await scene.findings()
    assert (closed.state, closed.fixed_at) == (FindingState.FIXED, MONDAY + HOUR)
    await scene.host("web", ("npm", name, "1.9.0"), at=MONDAY + 2 * HOUR)
    [again] = await scene.findings()
    assert (again.state, again.fixed_at) == (FindingState.OPEN, None)
    assert (again.first_seen_at, again.last_seen_at) == (MONDAY, MONDAY + 2 * HOUR)


async def test_the_same_inventory_again_changes_only_when_it_was_last_seen(scene: Scene) -> None:
    name = fresh()
    await scene.publish(record("npm", name, fixed_in("2.0.0", kind="SEMVER")))
    assert await scene.host("web", ("npm", name, "1.0.0"))
    [before] = await scene.findings()
    assert not await scene.host("web", ("npm", name, "1.0.0"), at=MONDAY + HOUR)
    [after] = await scene.findings()
    assert after.last_seen_at == MONDAY + HOUR
    changed = {key for key, value in before.model_dump().items() if getattr(after, key) != value}
    assert changed == {"last_seen_at"}


async def test_two_versions_of_a_package_on_one_host_are_one_finding(scene: Scene) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    await scene.publish(known)
    await scene.host("web", ("npm", name, "1.0.0"), ("npm", name, "1.5.0"))
    assert await scene.unfixed() == [known["id"]]


async def test_a_deb_that_is_named_with_its_architecture_is_the_same_package(scene: Scene) -> None:
    name = fresh()
    known = record("Debian:12", name, fixed_in("2.0-1"))
    await scene.publish(known)
    await scene.host("web", ("Debian:12", f"{name}:amd64", "1.0-1"))
    assert await scene.unfixed() == [known["id"]]


async def test_what_debian_holds_to_be_no_vulnerability_is_low_whatever_upstream_says(
    scene: Scene,
) -> None:
    name = fresh()
    vector = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    forever = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}
    await scene.publish(
        record("Debian:12", name, forever, severity=[vector],
               block={"ecosystem_specific": {"urgency": "unimportant"}})
    )  # fmt: skip
    await scene.host("web", ("Debian:12", name, "1.0-1", name, "1.0-1"))
    assert [finding.severity for finding in await scene.findings()] == [Severity.LOW]


def test_a_record_of_very_many_ranges_and_versions_is_indexed_in_no_time() -> None:
    ranges = [fixed_in(f"1.{n}.1", introduced=f"1.{n}.0", kind="SEMVER") for n in range(3_000)]
    versions = [f"2.{n}.0" for n in range(3_000)]
    document = read_record(
        record("npm", fresh(), *ranges, block={"versions": versions}), name="test"
    )
    started = time.process_time()
    rows = index_rows(document)
    assert time.process_time() - started < 2
    assert (len(rows), list(rows[-1].versions)) == (3_001, versions)
