"""Feeds that are broken or mean harm: what of them is refused, and that it stops nothing."""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from hub.vulnerabilities.feeds import archives, synchronise
from hub.vulnerabilities.feeds.archives import SourceDamaged
from hub.vulnerabilities.intake import take_in
from hub.vulnerabilities.models import Advisory
from hub.vulnerabilities.records import Document
from tests.hub.vulnerabilities.feeding import affected, npm, sync, zipped
from tests.hub.vulnerabilities.scene import HOUR, MONDAY, Scene, fixed_in, fresh, record

pytestmark = pytest.mark.slow


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
        ({"aliases": "CVE-1"}, "`aliases` is not a list"),
        ({"upstream": [1]}, "`upstream` holds something that is not a text"),
        ({"severity": "high"}, "`severity` is not a list"),
        ({"modified": "9999-12-31T23:59:59-14:00"}, "date value out of range"),
        (affected(versions=[1.1]), "`versions` holds something that is not a text"),
        (
            affected(ranges=[{"type": "SEMVER", "events": [{"introduced": 1.1}]}]),
            "an event's version is not a text",
        ),
        (affected(ranges=[{"type": "SEMVER", "events": ["introduced"]}]), "is not as the OSV"),
        (affected(ranges=[{"type": "SEMVER", "events": []}]), "has no `introduced` event"),
        (affected(package="npm/left-pad"), "is not as the OSV"),
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


async def test_text_that_speaks_of_a_nul_character_is_no_nul_character(
    scene: Scene, tmp_path: Path
) -> None:
    known = npm(fresh(), details=r"Send the text \u0000 and the parser reads on.")
    result = await sync(scene, zipped(tmp_path / "all.zip", known), tmp_path)
    assert (result.stored, result.refused) == (1, [])


async def test_a_record_that_is_nested_too_deeply_is_refused_by_name(
    scene: Scene, tmp_path: Path
) -> None:
    known, deep = npm(fresh()), fresh()
    nested = b'{"a":' * 500 + b"1" + b"}" * 500
    content = orjson.dumps({"id": deep, "modified": MONDAY.isoformat()})[:-1]
    content += b',"database_specific":' + nested + b"}"
    result = await sync(scene, zipped(tmp_path / "all.zip", known, **{deep: content}), tmp_path)
    assert [str(refused) for refused in result.refused] == [
        f"{deep}: is nested too deeply to be stored"
    ]
    assert result.stored == 1


async def test_a_version_that_is_padded_beyond_all_bounds_stops_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    name, pad = fresh(), " " * 400
    padded = record("npm", name, fixed_in(f"{pad}2.0.0", kind="SEMVER"))
    await scene.host("web", ("npm", name, "1.0.0"))
    result = await sync(scene, zipped(tmp_path / "all.zip", padded), tmp_path)
    assert result.refused == []
    assert [finding.fixed_version for finding in await scene.findings()] == ["2.0.0"]


async def test_a_refused_file_whose_name_is_no_text_stops_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9\x1b[2J.json")).write_text("{")
    (folder / "good.json").write_bytes(orjson.dumps(npm(fresh())))
    result = await sync(scene, folder, tmp_path)
    assert [str(refused) for refused in result.refused] == ["caf??[2J.json: is not JSON"]
    assert result.stored == 1


async def test_a_file_that_cannot_be_read_is_refused_by_name(scene: Scene, tmp_path: Path) -> None:
    known = npm(fresh())
    (tmp_path / "good.json").write_bytes(orjson.dumps(known))
    (tmp_path / "gone.json").write_bytes(b"{}")

    def vanishing(path: Path) -> Iterator[archives.Entry]:
        for entry in entries(path):
            if entry.name == "gone.json":
                (path / entry.name).unlink()
            yield entry

    entries = archives.entries
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(synchronise, "entries", vanishing)
        result = await sync(scene, tmp_path, tmp_path)
    assert [str(refused) for refused in result.refused] == ["gone.json: cannot be read"]
    assert result.stored == 1


async def test_an_archive_whose_files_have_no_dates_is_brought_in(
    scene: Scene, tmp_path: Path
) -> None:
    info, known = zipfile.ZipInfo("one.json"), npm(fresh())
    info.date_time = (1980, 0, 0, 0, 0, 0)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(info, orjson.dumps(known))
    assert (await sync(scene, tmp_path / "all.zip", tmp_path)).stored == 1


async def test_an_archive_that_wants_a_password_is_refused_by_name(
    scene: Scene, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "all.zip", npm(fresh(), id="TEST-locked"))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # bit 0: encrypted
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(SourceDamaged, match=r"damaged at TEST-locked\.json"):
        await sync(scene, path, tmp_path)


async def test_a_tar_bomb_is_refused_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SMALL_ARCHIVE_BYTES", 2**20)
    path = tmp_path / "vulns.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(64):
            info = tarfile.TarInfo(f"bomb-{number}.json")
            info.size = 2**20
            archive.addfile(info, io.BytesIO(b"0" * 2**20))
    with pytest.raises(SourceDamaged, match=r"vulns\.tar\.gz would unpack to .*bomb-"):
        archives.check_archive(path)


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


async def test_large_records_come_in_few_at_a_time(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    async def counted(session: AsyncSession, *, documents: list[Document], feed: str) -> object:
        sizes.append(len(documents))
        return await take_in(session, documents=documents, feed=feed)

    monkeypatch.setattr(synchronise, "_BYTES_AT_ONCE", 20_000)
    monkeypatch.setattr(synchronise, "take_in", counted)
    records = [npm(fresh(), details="x" * 9_000) for _ in range(7)]
    result = await sync(scene, zipped(tmp_path / "all.zip", *records), tmp_path)
    assert (sizes, result.stored) == ([3, 3, 1], 7)
