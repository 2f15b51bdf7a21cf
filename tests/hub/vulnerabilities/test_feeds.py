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

from hub.vulnerabilities.feeds import synchronise
from hub.vulnerabilities.feeds.archives import SourceDamaged
from hub.vulnerabilities.feeds.kernel_cves import sync_kernel_cves
from hub.vulnerabilities.feeds.osv import fleet_ecosystems, sync_osv
from hub.vulnerabilities.feeds.signals import sync_epss, sync_kev
from hub.vulnerabilities.feeds.synchronise import Synchronised
from hub.vulnerabilities.matching_models import FeedState
from hub.vulnerabilities.models import Advisory
from tests.hub.vulnerabilities.feeding import npm, quiet, sync, zipped
from tests.hub.vulnerabilities.kernel_fixture import CVE_2024_26581
from tests.hub.vulnerabilities.scene import MONDAY, Scene, fixed_in, fresh, record

pytestmark = pytest.mark.slow


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
            if start >= len(content):
                self.send_error(416)
                return
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


async def test_a_download_that_was_killed_after_its_last_byte_begins_anew(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    path = zipped(server.folder / "npm" / "all.zip", npm(fresh()))
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "npm-all.zip.part").write_bytes(path.read_bytes())
    (downloads / "npm-all.zip.etag").write_text(f'"{hash(path.read_bytes())}"')
    assert (await sync(scene, server.origin, tmp_path)).stored == 1
    assert ["Range" in request for request in server.requests] == [True, False]


async def test_an_archive_that_fails_keeps_no_other_from_coming_in(
    scene: Scene, server: Server, tmp_path: Path
) -> None:
    name = fresh()
    known = npm(name)
    await scene.host("web", ("npm", name, "1.0.0"))
    zipped(server.folder / "npm" / "all.zip", known)
    (server.folder / "Debian").mkdir()
    (server.folder / "Debian" / "all.zip").write_bytes(b"no archive")
    with pytest.raises(SourceDamaged, match=r"^Debian: .*all\.zip is no complete zip archive"):
        await sync_osv(
            scene.database,
            source=server.origin,
            ecosystems=["npm", "Debian"],
            downloads=tmp_path / "downloads",
            report=quiet,
        )
    assert await scene.unfixed() == [known["id"]]


async def test_what_a_host_only_calls_an_ecosystem_is_not_asked_for(scene: Scene) -> None:
    await scene.host("web", ("AAA/../secret", fresh(), "1.0"), ("Hex:1", fresh(), "1.0"))
    found = await fleet_ecosystems(scene.database)
    assert "Hex" in found
    assert not [name for name in found if name.startswith("AAA")]
