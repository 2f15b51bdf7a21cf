"""Programs of this very machine: real processes, sockets and reads, seen through /proc."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.agent.configuration import ConnectionSettings, HoneypotSettings, ProcessSettings
from hub.agent.watch.binaries import BinaryWatcher
from hub.agent.watch.connections import ConnectionWatcher
from hub.agent.watch.honeypots import HoneypotWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.ports import PortWatcher
from hub.agent.watch.processes import ProcessWatcher
from hub.agent.watch.procs import command_of
from hub.agent.watch.watcher import Memory, Watcher
from hub.detections.events import EventKind

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROC = Path("/proc")


class Watched:
    """A watcher on this machine, and what it remembers."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self._memory: Memory | None = None

    def look(self) -> list[ObservedEvent]:
        """Return what is new."""
        look = self.watcher.look(self._memory, now=NOW)
        self._memory = json.loads(json.dumps(look.memory))
        events = list(look.events)
        return events + self.look() if look.has_more else events

    def about(self, path: str) -> list[ObservedEvent]:
        """Return what is new about one program."""
        return [event for event in self.look() if path in (event.path or "")]


@contextmanager
def running(*command: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; it is itself when the block begins."""
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    deadline = time.monotonic() + 5
    while command[0] not in command_of(PROC, process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def program(tmp_path: Path) -> str:
    """Return a program of our own that sleeps."""
    path = tmp_path / "programs" / "sleeper"
    path.parent.mkdir()
    shutil.copy(os.path.realpath("/bin/sleep"), path)
    return str(path)


def process_watcher(*folders: str) -> Watched:
    return Watched(ProcessWatcher(ProcessSettings(temporary_folders=folders), Host()))


def test_a_program_from_a_temporary_folder_is_told_once(program: str) -> None:
    host = process_watcher(str(Path(program).parent))
    host.look()
    with running(program, "60") as process:
        (event,) = host.about(program)
        assert (event.kind, event.path) == (EventKind.PROCESS_STARTED, program)
        assert event.command == f"{program} 60"
        assert event.process == "sleeper"
        assert host.about(program) == []
        again = process_watcher(str(Path(program).parent)).about(program)
        assert [each.key for each in again] == [event.key]
        assert process.poll() is None


def test_one_that_deleted_itself_is_still_seen(program: str) -> None:
    host = process_watcher(str(Path(program).parent))
    host.look()
    with running(program, "60"):
        Path(program).unlink()
        (event,) = host.about(program)
    assert event.path == f"{program} (deleted)"


def test_a_program_from_elsewhere_is_not_told(program: str) -> None:
    host = process_watcher("/nowhere")
    host.look()
    with running(program, "60"):
        assert host.about(program) == []


def test_a_program_that_is_no_file_is_told() -> None:
    code = (
        "import os,shutil\n"
        "fd = os.memfd_create('payload', 0)\n"
        "with open('/bin/sleep', 'rb') as f: os.write(fd, f.read())\n"
        "os.execve(fd, ['/bin/sleep-in-memory', '60'], {})\n"
    )
    host = process_watcher()
    host.look()
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            deadline = time.monotonic() + 10
            found: list[ObservedEvent] = []
            while not found and time.monotonic() < deadline:
                found = host.about("/memfd:payload")
            assert [event.kind for event in found] == [EventKind.PROCESS_STARTED]
            assert found[0].details["from"] == "memory"
        finally:
            process.kill()


def test_a_shell_that_takes_its_commands_from_the_network_is_told() -> None:
    host = process_watcher()
    host.look()
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted, running("/bin/sh", stdin=client, stdout=client):
            shells = [e for e in host.look() if e.kind is EventKind.SHELL_ON_SOCKET]
            assert [event.source_address for event in shells] == ["127.0.0.1"]
            assert shells[0].port == server.getsockname()[1]
            assert [e for e in host.look() if e.kind is EventKind.SHELL_ON_SOCKET] == []


def test_a_shell_on_a_pipe_or_a_local_socket_is_an_ordinary_one() -> None:
    host = process_watcher()
    host.look()
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        running("/bin/sh", stdin=theirs, stdout=theirs),
        running("/bin/sh", stdin=subprocess.PIPE) as piped,
    ):
        assert piped.stdin is not None
        assert [e for e in host.look() if e.kind is EventKind.SHELL_ON_SOCKET] == []
        piped.stdin.close()


def test_a_preload_in_the_environment_is_told(program: str) -> None:
    host = process_watcher()
    host.look()
    with running(program, "60", env={"LD_PRELOAD": ""}):
        assert [e for e in host.look() if e.kind is EventKind.PRELOAD_CHANGED] == []
    library = "/lib/x86_64-linux-gnu/libm.so.6"
    with running(program, "60", env={"LD_PRELOAD": library}):
        preloads = [e for e in host.look() if e.kind is EventKind.PRELOAD_CHANGED]
    assert [event.path for event in preloads] == [library]
    assert preloads[0].details["executable"] == program


def test_a_program_that_is_new_or_changed_is_told_by_its_digest(program: str) -> None:
    host = Watched(BinaryWatcher(ProcessSettings(temporary_folders=()), Host()))
    assert host.about(program) == []
    with running(program, "60"):
        (new,) = host.about(program)
        assert (new.kind, new.details["change"]) == (EventKind.PROCESS_STARTED, "new")
        assert host.about(program) == []
    with Path(program).open("ab") as file:
        file.write(b"\0")
    with running(program, "60"):
        (changed,) = host.about(program)
    assert (changed.kind, changed.details["change"]) == (EventKind.BINARY_CHANGED, "content")
    assert changed.details["before"] == new.sha256
    assert changed.sha256 != new.sha256


def test_what_an_update_leaves_running_is_no_news(program: str) -> None:
    host = Watched(BinaryWatcher(ProcessSettings(temporary_folders=()), Host()))
    with running(program, "60"):
        host.look()
        kept = Path(program).with_name("new")
        shutil.copy(program, kept)
        kept.rename(program)
        assert host.about(program) == []


def test_a_program_deleted_while_it_runs_is_told(program: str) -> None:
    host = Watched(BinaryWatcher(ProcessSettings(temporary_folders=()), Host()))
    with running(program, "60"):
        host.look()
        Path(program).unlink()
        (event,) = host.about(program)
    assert (event.kind, event.details["change"]) == (EventKind.BINARY_CHANGED, "deleted")


def test_a_port_that_opens_is_told_with_its_program() -> None:
    host = Watched(PortWatcher(Host()))
    with socket.create_server(("127.0.0.1", 0)) as before:
        assert host.look() == []
        with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - what is to be seen
            port = server.getsockname()[1]
            (event,) = [event for event in host.look() if event.port == port]
        assert (event.kind, event.protocol) == (EventKind.PORT_OPENED, "tcp")
        assert event.details == {"address": "0.0.0.0", "loopback": "no"}  # noqa: S104
        assert event.process
        assert [e for e in host.look() if e.port == before.getsockname()[1]] == []


TCP = "  sl  local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid inode\n"


def row(local: str, remote: str, state: str, inode: int) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1\n"


def test_new_destinations_are_told_and_the_rest_is_not(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    table = tmp_path / "net/tcp"
    listening = row("00000000:0016", "00000000:0000", "0A", 1)
    known = row("0500000A:C000", "0A0871C6:01BB", "01", 2)
    table.write_text(TCP + listening + known)
    host = Watched(ConnectionWatcher(ConnectionSettings(), Host(tmp_path, proc=tmp_path)))
    assert host.look() == []
    table.write_text(
        TCP
        + listening
        + row("0500000A:0016", "0B7100CB:C001", "01", 3)  # came in
        + row("0500000A:C002", "0600000A:1538", "01", 4)  # a private network
        + row("0100007F:C003", "0100007F:1538", "01", 5)  # ourselves
        + row("0500000A:C004", "0A0871C6:01BB", "01", 6)  # known
        + row("0500000A:C005", "0C0871C6:0CE5", "02", 7)
    )
    (event,) = host.look()
    assert (event.kind, event.source_address, event.port) == (
        EventKind.OUTBOUND_CONNECTION,
        "198.113.8.12",
        3301,
    )
    assert host.look() == []


def honeypots(tmp_path: Path) -> tuple[Watched, Path]:
    pot = tmp_path / "srv/credentials"
    host = Watched(HoneypotWatcher(HoneypotSettings(("/srv/credentials",)), Host(tmp_path)))
    assert host.look() == []
    return host, pot


def test_a_read_of_a_honeypot_is_told_once(tmp_path: Path) -> None:
    host, pot = honeypots(tmp_path)
    assert host.look() == []
    assert pot.read_text().startswith("[default]\naws_access_key_id = AKIA")
    (event,) = host.look()
    assert (event.kind, event.path) == (EventKind.HONEYPOT_TOUCHED, "/srv/credentials")
    assert event.details["touch"] == "read, opened"
    assert host.look() == []
    host.watcher.close()


def test_who_still_has_it_open_is_named(tmp_path: Path) -> None:
    host, pot = honeypots(tmp_path)
    with running("/usr/bin/tail", "-f", str(pot), stdout=subprocess.DEVNULL):
        deadline = time.monotonic() + 5
        found: list[ObservedEvent] = []
        while not found and time.monotonic() < deadline:
            found = host.look()
    assert {event.process for event in found} <= {"tail", None}
    assert found
    host.watcher.close()


def test_a_honeypot_that_was_removed_is_told_and_laid_out_again(tmp_path: Path) -> None:
    host, pot = honeypots(tmp_path)
    pot.unlink()
    (event,) = host.look()
    assert "deleted" in event.details["touch"]
    assert pot.exists()
    host.look()
    pot.read_text()
    assert len(host.look()) == 1
    host.watcher.close()


def test_looking_at_its_name_and_size_is_no_touch(tmp_path: Path) -> None:
    host, pot = honeypots(tmp_path)
    pot.stat()
    list(pot.parent.iterdir())
    assert host.look() == []
    host.watcher.close()


def test_a_touch_while_the_agent_was_away_is_told_at_its_start(tmp_path: Path) -> None:
    host, pot = honeypots(tmp_path)
    host.look()
    host.watcher.close()
    os.utime(pot, ns=(time.time_ns(), pot.stat().st_mtime_ns))
    (event,) = host.look()
    assert event.details["touch"] == "touched while the agent was not running"
    host.watcher.close()
