"""The agent on its own machine: its folder, its service, and what it says of itself."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from typer.main import get_command
from typer.testing import CliRunner

from hub.agent.client import AgentError
from hub.agent.configuration import Configuration, parse_configuration
from hub.agent.files import write_whole
from hub.agent.identity import Identity, write_identity
from hub.agent.runner import only_agent
from hub.agent.status import Status
from hub.agent.status_page import status_page
from hub.agent.uninstall import uninstall_agent
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.agent.watch.watchers import Watchers
from hub.cli.agent import app
from hub.detections.events import EventKind

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_only_a_held_folder_is_called_one_that_is_held(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), only_agent(tmp_path):  # as when no process can be made
        raise BlockingIOError


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_said_to_be(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AgentError, match="--state-dir"), only_agent(tmp_path):
        pass


def test_the_folder_that_systemd_moved_is_removed_with_its_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, link = tmp_path / "private/monsys-agent", tmp_path / "monsys-agent"
    moved.mkdir(parents=True)
    link.symlink_to(moved)
    monkeypatch.setattr("hub.agent.service.is_installed", lambda: False)
    for _ in range(2):  # the second time there is nothing left to do
        assert list(uninstall_agent(link)) == [f"The state in {link} is deleted."]
        assert not link.is_symlink()
        assert not moved.exists()


@pytest.mark.parametrize(("seconds", "is_well"), [(5.0, True), (3_600.0, False)])
def test_an_agent_that_stopped_is_not_well(
    tmp_path: Path, seconds: float, *, is_well: bool
) -> None:
    write_identity(
        tmp_path,
        Identity(
            url="https://hub.example.com",
            key=SigningKey.generate(),
            agent_id="a",
            name="web-01",
            chosen_name=None,
            interval_seconds=15.0,
        ),
    )
    Status(started_at=0.0, last_accepted_at=1.0).save(tmp_path, at=time.time() - seconds)
    page = status_page(tmp_path)
    assert (page.is_well, "does not run" in page.text) == (is_well, not is_well)


class Teller(Resting):
    """Tells what it is told to tell, once at each look."""

    name = "teller"
    every_seconds = 0.0

    def __init__(self, word: str) -> None:
        self.word = word

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Tell the word."""
        event = ObservedEvent(kind=EventKind.USER_ADDED, at=now, summary=self.word)
        return Look([event], {"looks": (memory or {"looks": 0})["looks"] + 1})


def test_after_a_full_disk_no_event_takes_the_name_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(word: str) -> str:
        watchers = Watchers(
            tmp_path,
            Configuration(),
            watchers=[Teller(word)],
            monotonic=lambda: 0.0,
            now=lambda: NOW,
        )
        (event,) = watchers.poll()
        watchers.taken()
        return str(event["id"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    told("before")
    monkeypatch.setattr(os, "fsync", full)
    first, second, again = told("eve"), told("mallory"), told("eve")
    assert first != second
    assert first == again  # what is seen once more is the same event


def test_the_example_configuration_can_be_printed() -> None:
    printed = CliRunner().invoke(app, ["example-config"])
    assert (printed.exit_code, parse_configuration(printed.stdout)) == (0, Configuration())


def test_honeypots_are_laid_out_by_a_command(tmp_path: Path) -> None:
    bait, blocked = tmp_path / "srv/key", tmp_path / "file/key"
    write_whole(tmp_path / "file", b"")
    configuration = tmp_path / "agent.toml"
    configuration.write_text(f"[honeypots]\npaths = ['{bait}', '{blocked}']\n")
    done = CliRunner().invoke(app, ["plant", "--config", str(configuration)])
    assert (done.exit_code, done.stdout) == (1, f"Made {bait}.\n")
    assert done.stderr == f"Not made: {blocked} (Not a directory).\n"
    configuration.write_text(f"[honeypots]\npaths = ['{bait}']\n")
    again = CliRunner().invoke(app, ["plant", "--config", str(configuration)])
    assert (again.exit_code, again.output, bait.exists()) == (0, "", True)


@pytest.mark.parametrize("command", ["enroll", "run", "status", "uninstall"])
def test_the_folder_and_the_configuration_can_be_set_by_the_environment(command: str) -> None:
    commands: Any = get_command(app)
    options = {option.name: option for option in commands.commands[command].params}
    assert options["state_dir"].envvar == "MONSYS_AGENT_STATE_DIR"
    if "config" in options:
        assert options["config"].envvar == "MONSYS_AGENT_CONFIG"
