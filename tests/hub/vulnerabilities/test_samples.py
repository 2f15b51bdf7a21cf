"""Real records, real answers and real inventories, where they lie beside the project."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from hub.agent.packages import parse_dpkg
from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.index_rows import IndexRow, index_rows
from hub.vulnerabilities.kernel_records import read_kernel_record
from hub.vulnerabilities.packages import Installed, Subject, subjects_of
from hub.vulnerabilities.ranges import Decision, Verdict, decide, is_listed
from hub.vulnerabilities.records import Document, RecordRefused, read_record
from hub.vulnerabilities.versions.orders import Order
from tests.hub.vulnerabilities.samples import SAMPLES, needs_samples
from tests.hub.vulnerabilities.scene import Scene

pytestmark = needs_samples
NOW = datetime(2026, 11, 3, tzinfo=UTC)
# Why OSV's API answers otherwise than the records at hand say.
EXPLAINED: dict[tuple[str, str], str] = {
    (
        "ALPINE-CVE-2018-25032",
        "Alpine:v3.17",
    ): "the record at hand is made from Alpine v3.15's list and names no other release",
}


def files() -> list[Path]:
    """Return all OSV records."""
    return [
        path for path in sorted((SAMPLES / "osv").rglob("*.json")) if "schema" not in path.parts
    ]


@cache
def documents() -> list[Document]:
    """Read all OSV records."""
    return [read_record(orjson.loads(path.read_bytes()), name=path.name) for path in files()]


def test_every_record_loads_or_is_refused_with_a_reason() -> None:
    decided: Counter[str] = Counter()
    undecided: Counter[str] = Counter()
    refused: list[str] = []
    for path in files():
        try:
            document = read_record(orjson.loads(path.read_bytes()), name=path.name)
        except RecordRefused as error:
            refused.append(str(error))
            continue
        counter = undecided if any(row.problem for row in index_rows(document)) else decided
        for family in {a.ecosystem.name.partition(":")[0] for a in document.affected} or {"-"}:
            counter[family] += 1
    table = Table("ecosystem", "decided", "undecided", title="records by ecosystem")
    for family in sorted(decided | undecided):
        table.add_row(family, str(decided[family]), str(undecided[family]))
    Console(width=80).print(table, "\n".join(refused))
    assert refused == []
    assert dict(undecided) == {"Linux": 1, "PyPI": 1}
    assert len(files()) == 165


def asked(subject: Subject, document: Document) -> Decision:
    """Decide in Python what the matcher decides in SQL."""
    rows = [
        row
        for row in index_rows(document)
        if (row.ecosystem, row.name, row.is_binary)
        == (subject.ecosystem, subject.name, subject.is_binary)
    ]
    if document.withdrawn is not None or not rows:
        return Decision(Verdict.NOT_AFFECTED)
    return max((_decide(subject, row) for row in rows), key=lambda d: d.verdict is Verdict.AFFECTED)


def _decide(subject: Subject, row: IndexRow) -> Decision:
    if row.versions:
        listed = is_listed(subject.order, subject.version, row.versions)
        return Decision(Verdict.AFFECTED if listed else Verdict.NOT_AFFECTED)
    return decide(subject.order, subject.version, intervals=[row.interval], versions=())


def recorded() -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield recorded queries with the ids that api.osv.dev answered."""
    text = (SAMPLES / "osv-querybatch" / "TestCommand.yaml").read_text()
    seen = set()
    for exchange in yaml.safe_load(text)["interactions"]:
        queries = orjson.loads(exchange["request"]["body"])["queries"]
        answers = orjson.loads(exchange["response"]["body"])["results"]
        for query, answer in zip(queries, answers, strict=True):
            key = orjson.dumps(query, option=orjson.OPT_SORT_KEYS)
            if "package" in query and key not in seen and not answer.get("next_page_token"):
                seen.add(key)
                yield query, {each["id"] for each in answer.get("vulns", ())}


@pytest.mark.slow
def test_answers_of_osvs_api_are_ours_for_the_records_at_hand() -> None:
    by_id = {document.id: document for document in documents()}
    disagreements, agreed, asked_for = [], 0, 0
    for query, expected in recorded():
        package = query["package"]
        installed = Installed.of(
            InstalledPackage(
                package["ecosystem"],
                package["name"],
                query["version"],
                package["name"],  # the API is asked about sources
                query["version"],
            )
        )
        subjects = subjects_of(installed)
        for identity, document in by_id.items():
            asked_for += 1
            ours = any(asked(each, document).verdict is Verdict.AFFECTED for each in subjects)
            theirs = identity in expected
            if ours == theirs:
                agreed += theirs
            elif (identity, package["ecosystem"]) not in EXPLAINED:
                disagreements.append((identity, package, query["version"], ours))
    Console(width=100).print(
        f"{asked_for:,} questions, {agreed} times both affected; explained: {EXPLAINED}"
    )
    assert disagreements == []
    assert agreed >= 4


def test_the_kernels_dyads_are_the_truth_of_its_records() -> None:
    checked = 0
    for path in sorted((SAMPLES / "linux-kernel-cve").rglob("*.json")):
        document = read_kernel_record(orjson.loads(path.read_bytes()), name=path.name, modified=NOW)
        for version, is_affected in _dyad_cases(path.with_suffix(".dyad")):
            subject = Subject("Linux", "Kernel", version, Order.SEMVER)
            found = asked(subject, document).verdict is Verdict.AFFECTED
            assert found == is_affected, (path.stem, version)
            checked += 1
    assert checked == 279


def _dyad_cases(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield versions at both ends of each pair, with whether they are vulnerable."""
    for line in path.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        vulnerable, _, fixed, _ = line.strip().split(":")
        if vulnerable not in {"0", fixed}:
            yield vulnerable, True
        if fixed == "0":
            continue
        yield fixed, False
        *branch, patch = fixed.split(".")
        before = ".".join((*branch, str(int(patch) - 1)))
        is_same_branch = vulnerable.split(".")[:2] != branch or int(patch) - 1 >= int(
            vulnerable.split(".")[2] if vulnerable.count(".") > 1 else 0
        )
        if len(branch) > 1 and vulnerable != fixed and is_same_branch:
            yield before, True


def test_no_binary_of_a_real_inventory_can_stand_for_its_source() -> None:
    inventory = debian_inventory()
    assert len(inventory) == 713
    differing = 0
    for package in inventory:
        [subject] = subjects_of(Installed.of(package))
        assert (subject.name, subject.version) == (package.source_name, package.source_version)
        assert subject.key is not None
        differing += (package.name, package.version) != (subject.name, subject.version)
    assert differing > 300


def debian_inventory() -> list[InstalledPackage]:
    """Return the packages of a real Debian 12."""
    path = SAMPLES / "osquery" / "dpkg-inventory-debian12.json"
    return [
        InstalledPackage("Debian:12", p["name"], p["version"], p["source"], p["source_version"])
        for p in orjson.loads(path.read_bytes())
    ]


async def test_a_real_inventory_runs_through_the_matcher(scene: Scene) -> None:
    inventory = debian_inventory()
    assert await scene.host("debian", *inventory, kernel="6.1.0-28-amd64")
    assert not await scene.host("debian", *inventory)
    assert await scene.undecided() == []


STATUS = Path("/var/lib/dpkg/status")


def own_inventory() -> list[tuple[str, ...]]:
    """Return the packages of this machine, as `dpkg-query` would tell them."""
    rows = {}
    for paragraph in STATUS.read_text("utf-8", "replace").split("\n\n"):
        lines = (line.partition(": ") for line in paragraph.splitlines() if line[:1].strip())
        fields = {key.rstrip(":"): value for key, _, value in lines}
        if fields.get("Status", "").endswith(" installed"):
            name, _, version = fields.get("Source", fields["Package"]).partition(" ")
            source_version = version.strip("()") or fields["Version"]
            told = (fields["Package"], fields["Version"], name, source_version, "ii ")
            rows[fields["Package"]] = "\t".join(told)
    packages = parse_dpkg("".join(f"{row}\n" for row in rows.values()), "Debian:12")
    return [(p.ecosystem, p.name, p.version, p.source_name, p.source_version) for p in packages]


@pytest.mark.skipif(not STATUS.is_file(), reason="this machine has no dpkg")
async def test_this_machines_own_inventory_runs_through_the_matcher(scene: Scene) -> None:
    assert await scene.host("this-machine", *own_inventory())
    assert await scene.undecided() == []
