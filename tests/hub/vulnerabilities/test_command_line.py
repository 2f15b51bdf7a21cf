"""`monsys osv` and `monsys kernel-cves`, as a person types them."""

import sys
from pathlib import Path

import orjson
import pytest

from hub import cli
from hub.database import Database
from tests.hub.vulnerabilities.scene import fixed_in, fresh, record

pytestmark = pytest.mark.slow


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["monsys", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_folder_is_brought_in_and_what_is_refused_is_named(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MONSYS_DATABASE_URL", database.url)
    folder = tmp_path / "records"
    folder.mkdir()
    known = record("npm", fresh(), fixed_in("2.0.0", kind="SEMVER"))
    (folder / "good.json").write_bytes(orjson.dumps(known))
    (folder / "bad.json").write_text("{")
    options = ["--data-dir", str(tmp_path)]
    assert run(monkeypatch, "osv", "sync", str(folder), "--ecosystem", "npm", *options) == 0
    told = capsys.readouterr().out
    assert "osv:npm: 2 files, 1 groups changed, 1 refused" in told
    assert "refused: bad.json: is not JSON" in told
    assert run(monkeypatch, "osv", "status", *options) == 0
    assert "osv:npm" in capsys.readouterr().out


def test_a_source_that_is_not_there_is_one_line_and_exit_code_1(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MONSYS_DATABASE_URL", database.url)
    missing = str(tmp_path / "missing")
    assert run(monkeypatch, "kernel-cves", "sync", missing, "--data-dir", str(tmp_path)) == 1
    assert capsys.readouterr().err == f"monsys: There is no file or folder '{missing}'.\n"
