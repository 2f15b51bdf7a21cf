"""Archives of records as feeds publish them, and a run that brings them in."""

import zipfile
from pathlib import Path
from typing import Any

import orjson

from hub.vulnerabilities.feeds.osv import sync_osv
from hub.vulnerabilities.feeds.synchronise import Synchronised
from tests.hub.vulnerabilities.scene import Scene, fixed_in, record


def quiet(_step: str, _done: int, _total: int | None) -> None:
    """Report nothing."""


def npm(name: str, **fields: Any) -> dict[str, Any]:
    """Return a record about an npm package."""
    return record("npm", name, fixed_in("2.0.0", kind="SEMVER"), **fields)


def affected(**fields: Any) -> dict[str, Any]:
    """Return the part of a record that says what is affected."""
    return {"affected": [{"package": {"ecosystem": "npm", "name": "x"}} | fields]}


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
