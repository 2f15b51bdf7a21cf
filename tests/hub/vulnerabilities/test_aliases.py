"""One vulnerability under many names is one finding; a distribution's record is its own."""

from hub.severity import Severity
from hub.vulnerabilities.aliases import Member, UnionFind, grouped
from hub.vulnerabilities.models import FindingState
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
LOW = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]


def test_names_that_are_linked_over_others_are_one_set() -> None:
    sets = UnionFind()
    for one, other in (("a", "b"), ("c", "d"), ("b", "c"), ("d", "a")):
        sets.union(one, other)
    assert {sets.find(name) for name in "abcd"} == {sets.find("a")}
    assert sets.find("e") == "e"


def test_a_chain_of_a_hundred_thousand_aliases_is_no_recursion() -> None:
    members = [Member(f"X-{number}", (f"X-{number + 1}",)) for number in range(100_000)]
    assert list(grouped(members)) == ["X-0"]


def test_the_cve_speaks_for_the_group_unless_it_was_withdrawn() -> None:
    members = [Member("GHSA-1", ("CVE-1",)), Member("PYSEC-1", ("GHSA-1",)), Member("CVE-1", ())]
    assert list(grouped(members)) == ["CVE-1"]
    withdrawn = Member("CVE-1", (), is_withdrawn=True)
    assert list(grouped([*members[:2], withdrawn])) == ["GHSA-1"]


async def test_aliases_are_one_finding(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    ghsa = record("PyPI", name, fixed_in("2.0"), id=f"GHSA{number}", aliases=[f"CVE{number}"])
    pysec = record("PyPI", name, fixed_in("2.0"), id=f"PYSEC{number}", aliases=[f"CVE{number}"])
    await scene.publish(ghsa, pysec)
    await scene.host("web", ("PyPI", name, "1.0"))
    assert await scene.unfixed() == [f"GHSA{number}"]


async def test_aliases_in_a_circle_end(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    one = record("PyPI", name, fixed_in("2.0"), id=f"A{number}", aliases=[f"B{number}"])
    two = record("PyPI", name, fixed_in("2.0"), id=f"B{number}", aliases=[f"A{number}"])
    await scene.publish(one, two)
    await scene.host("web", ("PyPI", name, "1.0"))
    assert await scene.unfixed() == [f"A{number}"]


async def test_blank_aliases_link_nothing(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    one = record("PyPI", name, fixed_in("2.0"), id=f"A{number}", aliases=["", " "])
    two = record("PyPI", name, fixed_in("2.0"), id=f"B{number}", aliases=["", " "])
    await scene.publish(one, two)
    await scene.host("web", ("PyPI", name, "1.0"))
    assert await scene.unfixed() == [f"A{number}", f"B{number}"]


async def test_upstreams_in_a_circle_end_and_are_not_merged(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    one = record("PyPI", name, fixed_in("2.0"), id=f"A{number}", upstream=[f"B{number}"])
    two = record("PyPI", name, fixed_in("2.0"), id=f"B{number}", upstream=[f"A{number}"])
    await scene.publish(one, two)
    await scene.host("web", ("PyPI", name, "1.0"))
    assert await scene.unfixed() == [f"A{number}", f"B{number}"]


async def test_a_record_that_joins_two_groups_carries_their_findings_over(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    pysec = record("PyPI", name, fixed_in("2.0"), id=f"PYSEC{number}")
    await scene.publish(pysec)
    await scene.host("web", ("PyPI", name, "1.0"))
    [before] = await scene.findings()
    later = (MONDAY + HOUR).isoformat()
    cve = record("PyPI", fresh(), id=f"CVE{number}", aliases=[f"PYSEC{number}"], modified=later)
    await scene.publish(cve)
    [after] = await scene.findings()
    assert (after.id, after.advisory_id) == (before.id, f"CVE{number}")
    assert (after.first_seen_at, after.state) == (before.first_seen_at, FindingState.OPEN)


async def severity_of(scene: Scene, ecosystem: str, name: str) -> Severity:
    """Return the severity of the one finding of a host with this package."""
    await scene.host("web", (ecosystem, name, "1.0", name, "1.0"))
    found = [f for f in await scene.findings() if f.package_name == name]
    assert len(found) == 1
    return found[0].severity


async def test_a_severity_that_is_missing_is_the_aliases(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    silent = record("PyPI", name, fixed_in("2.0"), id=f"PYSEC{number}", aliases=[f"CVE{number}"])
    rated = record("PyPI", fresh(), id=f"CVE{number}", severity=CRITICAL)
    await scene.publish(silent)
    await scene.publish(rated)
    assert await severity_of(scene, "PyPI", name) is Severity.CRITICAL


async def test_a_severity_that_is_missing_is_the_upstreams_upstream(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    silent = record("Debian:12", name, fixed_in("2.0"), id=f"DSA{number}", upstream=[f"D{number}"])
    middle = record("Debian:12", fresh(), id=f"D{number}", upstream=[f"CVE{number}"])
    rated = record("PyPI", fresh(), id=f"CVE{number}", severity=CRITICAL)
    await scene.publish(silent, middle, rated)
    assert await severity_of(scene, "Debian:12", name) is Severity.CRITICAL


async def test_the_alias_is_asked_before_the_upstream(scene: Scene) -> None:
    name, number = fresh(), fresh("")
    silent = record("Debian:12", name, fixed_in("2.0"), id=f"D{number}", aliases=[f"A{number}"],
                    upstream=[f"CVE{number}"])  # fmt: skip
    alias = record("PyPI", fresh(), id=f"A{number}", severity=LOW)
    upstream = record("PyPI", fresh(), id=f"CVE{number}", severity=CRITICAL)
    await scene.publish(silent, alias, upstream)
    assert await severity_of(scene, "Debian:12", name) is Severity.LOW


async def test_ubuntus_own_word_comes_before_any_vector(scene: Scene) -> None:
    name = fresh()
    rated = [*CRITICAL, *LOW, {"type": "Ubuntu", "score": "medium"}]
    await scene.publish(record("Ubuntu:22.04:LTS", name, fixed_in("2.0"), severity=rated))
    assert await severity_of(scene, "Ubuntu:22.04:LTS", name) is Severity.MEDIUM


async def test_of_several_vectors_of_one_type_the_highest_counts(scene: Scene) -> None:
    name = fresh()
    await scene.publish(record("PyPI", name, fixed_in("2.0"), severity=[*LOW, *CRITICAL]))
    assert await severity_of(scene, "PyPI", name) is Severity.CRITICAL


async def test_a_packages_own_severity_outweighs_the_records(scene: Scene) -> None:
    name = fresh()
    known = record("PyPI", name, fixed_in("2.0"), severity=CRITICAL, block={"severity": LOW})
    await scene.publish(known)
    assert await severity_of(scene, "PyPI", name) is Severity.LOW


async def test_an_erratum_is_rated_by_the_first_word_of_its_title(scene: Scene) -> None:
    name = fresh()
    known = record("AlmaLinux:9", name, fixed_in("2.0"), summary="Important: a security update")
    await scene.publish(known)
    assert await severity_of(scene, "AlmaLinux:9", name) is Severity.HIGH


async def test_a_malformed_vector_rates_nothing(scene: Scene) -> None:
    name = fresh()
    known = record("PyPI", name, fixed_in("2.0"), severity=[{"type": "CVSS_V3", "score": "high!"}])
    await scene.publish(known)
    assert await severity_of(scene, "PyPI", name) is Severity.MEDIUM
