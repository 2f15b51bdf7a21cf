"""Honeypots are laid out where they are missing, and nowhere else."""

import errno
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.agent.configuration import HoneypotSettings
from hub.agent.watch import planting
from hub.agent.watch.honeypots import HoneypotWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.planting import Planted, plant_missing
from tests.hub.agent_watch.test_processes import Watched


def planted(root: Path, *paths: str, is_planted: bool = True) -> list[Planted]:
    return list(plant_missing(HoneypotSettings(paths, is_planted=is_planted), Host(root)))


def test_what_is_missing_is_made_once(tmp_path: Path) -> None:
    assert planted(tmp_path, "/srv/deep/key", is_planted=False) == []
    assert planted(tmp_path, "/srv/deep/key") == [Planted("/srv/deep/key")]
    bait = tmp_path / "srv/deep/key"
    assert bait.read_text().startswith("[default]\naws_access_key_id = AKIA")
    assert bait.stat().st_mode & 0o777 == 0o600
    assert planted(tmp_path, "/srv/deep/key") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a link that is another's")
def test_no_link_of_somebody_else_is_followed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    theirs, roots = tmp_path / "home", tmp_path / "data"
    theirs.symlink_to("etc")
    os.lchown(theirs, 65_534, 65_534)
    roots.symlink_to("etc")
    refused, made = planted(tmp_path, "/home/key", "/data/other")
    assert (refused.path, "link" in refused.problem) == ("/home/key", True)
    assert made == Planted("/data/other")
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["other"]


def test_a_full_disk_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(planting, "_content", full)
    assert planted(tmp_path, "/srv/key") == [Planted("/srv/key", "No space left on device")]
    assert not (tmp_path / "srv/key").exists()


def test_a_honeypot_that_cannot_be_made_costs_no_touch_of_another_and_is_said_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()  # so there can be no folder of this name
    settings = HoneypotSettings(("/file/key", "/srv/key"))
    host = Watched(HoneypotWatcher(settings, Host(tmp_path)))
    with capture_logs() as logs:
        assert host.look() == []
        (tmp_path / "srv/key").read_text()
        assert [event.path for event in host.look()] == ["/srv/key"]
        for _ in range(3):
            host.look()
    host.watcher.close()
    assert [(line["event"], line["path"]) for line in logs] == [
        ("honeypot_not_watched", "/file/key")
    ]
