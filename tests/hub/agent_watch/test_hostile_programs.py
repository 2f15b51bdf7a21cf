"""Programs that try not to be seen, and some that try to cost the agent its memory."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from hub.agent.configuration import ProcessSettings
from hub.agent.watch import binaries
from hub.agent.watch.binaries import BinaryWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.processes import ProcessWatcher
from hub.detections.events import EventKind
from tests.hub.agent_watch.test_processes import NOW, Watched, running


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program of our own that sleeps; a `sleep` that runs as well is another one."""
    path = tmp_path / "programs" / "sleeper"
    path.parent.mkdir()
    sleep = Path(os.path.realpath("/bin/sleep"))
    shutil.copy(sleep, path)
    path.write_bytes(sleep.read_bytes() + uuid4().bytes)
    return path


@pytest.fixture
def host() -> Watched:
    """Return the watcher of programs, once it knows what runs."""
    watched = Watched(BinaryWatcher(ProcessSettings(temporary_folders=()), Host()))
    watched.look()
    return watched


def test_a_name_that_looks_like_a_deleted_file_hides_no_program(
    host: Watched, program: Path
) -> None:
    disguised = program.with_name("sleeper (deleted)")
    shutil.copy(program, disguised)
    with running(str(disguised), "60"):
        (event,) = host.about(str(program.parent))
    assert (event.path, event.details["change"]) == (str(disguised), "new")


def test_putting_another_file_in_its_place_hides_no_program(host: Watched, program: Path) -> None:
    with running(str(program), "60"):
        other = program.with_name("other")
        other.write_bytes(b"harmless")
        other.rename(program)
        (event,) = host.about(str(program))
    assert (event.kind, event.details["change"]) == (EventKind.BINARY_CHANGED, "replaced")


def test_a_program_too_large_to_be_read_is_told_without_a_digest(
    host: Watched, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_MAX_FILE_BYTES", program.stat().st_size)
    with program.open("ab") as file:
        file.write(b"\0")
    with running(str(program), "60"):
        (event,) = host.about(str(program))
        assert (event.sha256, event.details["change"]) == (None, "new")
        assert "not_read" in event.details
        assert host.about(str(program)) == []
    with program.open("ab") as file:
        file.write(b"\0")
    with running(str(program), "60"):
        (event,) = host.about(str(program))
    assert (event.kind, event.details["change"]) == (EventKind.BINARY_CHANGED, "content")


def test_a_huge_preload_is_remembered_by_its_begin(program: Path) -> None:
    watcher = ProcessWatcher(ProcessSettings(temporary_folders=()), Host())
    memory = watcher.look(None, now=NOW).memory
    with running(str(program), "60", env={"LD_PRELOAD": "/x" * 50_000}):
        look = watcher.look(memory, now=NOW)
    (event,) = [each for each in look.events if each.kind is EventKind.PRELOAD_CHANGED]
    assert (event.path or "").startswith("/x/x")
    assert max(map(len, look.memory["preloads"])) < 200
