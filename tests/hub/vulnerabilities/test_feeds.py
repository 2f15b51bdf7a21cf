"""Feeds: what a synchronisation brings in, refuses, survives and never breaks."""

import gzip
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, override

import orjson
import pytest
from sqlmodel import col, select

from hub.vulnerabilities.feeds import archives, synchronise
from hub.vulnerabilities.feeds.archives import SourceDamaged
from hub.vulnerabilities.feeds.kernel_cves import sync_kernel_cves
from hub.vulnerabilities.feeds.osv import sync_osv
from hub.vulnerabilities.feeds.signals import sync_epss, sync_kev
from hub.vulnerabilities.feeds.synchronise import Synchronised
from hub.vulnerabilities.matching_models import FeedState
from hub.vulnerabilities.models import Advisory
from tests.hub.vulnerabilities.kernel_fixture import CVE_2024_26581
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record

pytestmark = pytest.mark.slow


def quiet(_step: str, _done: int, _total: int | None) -> None:
    """Report nothing."""


def npm(name: str, **fields: Any) -> dict[str, Any]:
    """Return a record about an npm package."""
    return record("npm", name, fixed_in("2.0.0", kind="SEMVER"), **fields)


def zipped(path: Path, *records: dict[str, Any], **raw: bytes) -> Path:
    """Write an archive of records."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for data in records:
            archive.writestr(f"{data['id']}.json", orjson.dumps(data))
        for name, content in raw.items():
            archive.writestr(f"{name}.json", content)
    return path


async def sync(scene: Scene, source: Path | str, tmp_path: Path) -> Synchronised:
    """Synchronise npm's records from a source."""
    [result] = await sync_osv(
        scene.database,
        source=str(source),
        ecosystems=["npm"],
        downloads=tmp_path / "downloads",
        report=quiet,
    )
    return result


async def test_an_archive_is_brought_in_and_matched(scene: Scene, tmp_path: Path) -> None:
    name = fresh()
    known = npm(name)
    await scene.host("web", ("npm", name, "1.0.0"))
    result = await sync(scene, zipped(tmp_path / "all.zip", known), tmp_path)
    assert (result.files, result.stored, result.refused) == (1, 1, [])
    assert (dict(result.decided), dict(result.undecided)) == ({"npm": 1}, {})
    assert await scene.unfixed() == [known["id"]]


async def test_the_same_archive_again_changes_nothing(scene: Scene, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "all.zip", npm(fresh()))
    await sync(scene, archive, tmp_path)
    again = await sync(scene, archive, tmp_path)
    assert (again.files, again.stored, again.findings_changed) == (1, 0, 0)


async def test_a_folder_of_records_is_brought_in_too(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "records" / "deep"
    folder.mkdir(parents=True)
    known = npm(fresh())
    (folder / "one.json").write_bytes(orjson.dumps(known))
    result = await sync(scene, tmp_path / "records", tmp_path)
    assert result.stored == 1


async def test_only_the_ecosystems_of_the_fleet_come_in(scene: Scene, tmp_path: Path) -> None:
    name = fresh()
    await scene.host("web", ("npm", name, "1.0.0"))
    other = record("Hex", fresh(), fixed_in("2.0.0"))
    [result] = await sync_osv(
        scene.database,
        source=str(zipped(tmp_path / "all.zip", npm(name), other)),
        downloads=tmp_path,
        report=quiet,
    )
    assert (result.files, result.unwanted) == (2, 1)


async def test_how_fresh_a_feed_is_is_remembered(scene: Scene, tmp_path: Path) -> None:
    await sync(scene, zipped(tmp_path / "all.zip", npm(fresh())), tmp_path)
    async with scene.database.transaction(presented="*") as session:
        state = await session.get_one(FeedState, "osv:npm")
    assert state.as_of is not None
    assert state.checked_at is not None
    assert state.as_of >= MONDAY
    assert state.checked_at > state.as_of


async def test_what_is_no_record_is_refused_by_name_and_the_rest_comes_in(
    scene: Scene, tmp_path: Path
) -> None:
    known, unreadable = npm(fresh()), fresh()
    nameless = npm(fresh())
    nameless["affected"][0]["package"].pop("name")
    archive = zipped(
        tmp_path / "all.zip", known, nameless, **{unreadable: b"{not json", fresh(): b"[1]"}
    )
    result = await sync(scene, archive, tmp_path)
    assert (result.files, result.stored, len(result.refused)) == (4, 1, 3)
    reasons = {refused.record: refused.reason for refused in result.refused}
    assert reasons[f"{unreadable}.json"] == "is not JSON"
    assert reasons[nameless["id"]].startswith("is not as the OSV schema says")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"details": "a\x00b"}, "holds a NUL character"),
        ({"id": "x" * 200}, "`id` is not a text of at most 128 characters"),
        ({"id": "a\nb"}, "`id` has control characters"),
        ({"modified": None}, "`modified` is missing"),
        ({"modified": "yesterday"}, "Invalid isoformat string"),
        ({"affected": {}}, "`affected` is not a list"),
        ({"affected": [{"package": {"ecosystem": "npm" * 99, "name": "x"}}]}, "usable `ecosystem`"),
        ({"affected": [{"package": {"ecosystem": "npm", "name": "x" * 300}}]}, "usable `name`"),
        ({"aliases": "CVE-1"}, "is not a list"),
    ],
)
async def test_a_malformed_record_is_refused_with_the_reason(
    scene: Scene, tmp_path: Path, broken: dict[str, Any], reason: str
) -> None:
    good, bad = npm(fresh()), npm(fresh()) | broken
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("bad.json", orjson.dumps(bad))
        archive.writestr("good.json", orjson.dumps(good))
    result = await sync(scene, tmp_path / "all.zip", tmp_path)
    [refused] = result.refused
    assert reason in str(refused)
    assert result.stored == 1


async def test_a_record_of_fifty_megabytes_is_refused_by_name(scene: Scene, tmp_path: Path) -> None:
    known, huge = npm(fresh()), fresh()
    archive = zipped(tmp_path / "all.zip", known, **{huge: b" " * (50 * 2**20)})
    result = await sync(scene, archive, tmp_path)
    [refused] = result.refused
    assert str(refused) == f"{huge}.json: is 50.0 MB; at most 16 MB are read"
    assert result.stored == 1


async def test_a_truncated_archive_changes_nothing(scene: Scene, tmp_path: Path) -> None:
    name = fresh()
    first = npm(name)
    await scene.host("web", ("npm", name, "1.0.0"))
    await sync(scene, zipped(tmp_path / "all.zip", first), tmp_path)
    later = (MONDAY + HOUR).isoformat()
    path = zipped(tmp_path / "new.zip", first | {"withdrawn": later, "modified": later})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceDamaged, match=r"new\.zip is no complete zip archive"):
        await sync(scene, path, tmp_path)
    assert await scene.unfixed() == [first["id"]]


async def test_a_damaged_record_is_named_and_nothing_changes(scene: Scene, tmp_path: Path) -> None:
    good, bad = npm(fresh()), npm(fresh(), details="x" * 5000)
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a-good.json", orjson.dumps(good))
        archive.writestr("b-bad.json", orjson.dumps(bad))
    content = bytearray(path.read_bytes())
    content[content.index(b"xxxx") + 100] = 0x00
    path.write_bytes(content)
    with pytest.raises(SourceDamaged, match=r"damaged at b-bad\.json"):
        await sync(scene, path, tmp_path)
    async with scene.database.transaction(presented="*") as session:
        assert await session.get(Advisory, good["id"]) is None


async def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SMALL_ARCHIVE_BYTES", 2**20)
    path = zipped(tmp_path / "all.zip", npm(fresh()), bomb=b"0" * (64 * 2**20))
    with pytest.raises(SourceDamaged, match=r"most of it bomb\.json"):
        await sync(scene, path, tmp_path)


async def test_a_run_that_was_killed_before_matching_is_finished_by_the_next(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = fresh()
    known = npm(name)
    archive = zipped(tmp_path / "all.zip", known)
    await scene.host("web", ("npm", name, "1.0.0"))
    calls = 0

    async def killed(*_: object, **__: object) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise KeyboardInterrupt
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(synchronise, "match_stale_groups", killed)
        with pytest.raises(KeyboardInterrupt):
            await sync(scene, archive, tmp_path)
    assert await scene.unfixed() == []
    await sync(scene, archive, tmp_path)
    assert await scene.unfixed() == [known["id"]]


def kernel_archive(path: Path, identity: str, *, folder: str) -> Path:
    """Write a packed checkout with one record."""
    data = CVE_2024_26581 | {"cveMetadata": {"cveId": identity, "state": "PUBLISHED"}}
    root = path.parent / fresh("checkout")
    target = root / "cve" / folder / "2024"
    target.mkdir(parents=True)
    (target / f"{identity}.json").write_bytes(orjson.dumps(data))
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, arcname="vulns")
    return path


async def sync_kernel(scene: Scene, source: Path, tmp_path: Path) -> Synchronised:
    """Synchronise the kernel's records."""
    return await sync_kernel_cves(
        scene.database, source=str(source), downloads=tmp_path, report=quiet
    )


async def test_kernel_records_come_from_an_archive_and_rejected_ones_go(
    scene: Scene, tmp_path: Path
) -> None:
    identity = fresh("CVE-2024")
    await scene.host("custom", kernel="6.6.16")
    published = kernel_archive(tmp_path / "one.tar.gz", identity, folder="published")
    result = await sync_kernel(scene, published, tmp_path)
    assert dict(result.decided) == {"Linux": 1}
    assert identity in await scene.unfixed()
    rejected = tmp_path / "cve" / "rejected" / "2024"
    rejected.mkdir(parents=True)
    data = CVE_2024_26581 | {"cveMetadata": {"cveId": identity, "state": "PUBLISHED"}}
    (rejected / f"{identity}.json").write_bytes(orjson.dumps(data))
    await sync_kernel(scene, tmp_path / "cve", tmp_path)
    assert identity not in await scene.unfixed()


async def test_a_truncated_kernel_archive_changes_nothing(scene: Scene, tmp_path: Path) -> None:
    identity = fresh("CVE-2024")
    path = kernel_archive(tmp_path / "one.tar.gz", identity, folder="published")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceDamaged, match="damaged at"):
        await sync_kernel(scene, path, tmp_path)
    async with scene.database.transaction(presented="*") as session:
        assert await session.get(Advisory, identity) is None


async def test_scores_and_known_exploitation_reach_advisories_by_any_name(
    scene: Scene, tmp_path: Path
) -> None:
    number = fresh("")
    cve = f"CVE{number}"
    await scene.publish(npm(fresh(), id=f"GHSA{number}", aliases=[cve]))
    with gzip.open(tmp_path / "epss.csv.gz", "wt") as file:
        file.write(f"#model_version:v2025,score_date:x\ncve,epss,percentile\n{cve},0.943,0.99\n")
    (tmp_path / "kev.json").write_bytes(
        orjson.dumps({"vulnerabilities": [{"cveID": cve, "dateAdded": "2026-10-01"}]})
    )
    assert await sync_epss(scene.database, tmp_path / "epss.csv.gz") == 1
    assert await sync_kev(scene.database, tmp_path / "kev.json") == 1
    async with scene.database.transaction(presented="*") as session:
        row = (
            await session.scalars(select(Advisory).where(col(Advisory.id) == f"GHSA{number}"))
        ).one()
    assert (row.epss, str(row.exploited_since)) == (0.943, "2026-10-01")


@pytest.mark.parametrize("content", [b"cve;epss\n", b"cve,epss\nCVE-1,high\n", b"\xff\xfe"])
async def test_a_malformed_table_of_scores_is_refused(
    scene: Scene, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "epss.csv"
    path.write_bytes(content + b"CVE-1;0.5\n")
    with pytest.raises(SourceDamaged, match="no EPSS table"):
        await sync_epss(scene.database, path)


@dataclass
class Server:
    """A web server on this machine, which stands in for the network."""

    folder: Path
    port: int = 0
    requests: list[dict[str, str]] = field(default_factory=list)
    break_off_after: int | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with entity tags and ranges, and may break off."""

    def __init__(self, *arguments: Any, server_facts: Server, **options: Any) -> None:
        self.facts = server_facts
        super().__init__(*arguments, directory=str(server_facts.folder), **options)

    @override
    def do_GET(self) -> None:
        self.facts.requests.append(dict(self.headers))
        content = Path(self.translate_path(self.path)).read_bytes()
        tag = f'"{hash(content)}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.end_headers()
            return
        start = 0
        if self.headers.get("If-Range") == tag:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end, self.facts.break_off_after = self.facts.break_off_after, None
        self.wfile.write(content[start:end])

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Serve a folder."""
    facts = Server(tmp_path / "served")
    (facts.folder / "npm").mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, server_facts=facts)) as running:
        facts.port = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield facts
        running.shutdown()
        thread.join()


async def test_an_archive_is_fetched_and_not_fetched_again_while_it_is_the_same(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    zipped(server.folder / "npm" / "all.zip", npm(fresh()))
    first = await sync(scene, server.origin, tmp_path)
    again = await sync(scene, server.origin, tmp_path)
    assert (first.stored, again.is_unchanged) == (1, True)


async def test_a_download_that_broke_off_goes_on_where_it_stopped(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    known = npm(fresh(), details="x" * 50_000)
    path = server.folder / "npm" / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("one.json", orjson.dumps(known))
    server.break_off_after = 20_000
    with pytest.raises(SourceDamaged, match="goes on where it stopped"):
        await sync(scene, server.origin, tmp_path)
    result = await sync(scene, server.origin, tmp_path)
    assert result.stored == 1
    assert server.requests[-1]["Range"] == "bytes=20000-"
