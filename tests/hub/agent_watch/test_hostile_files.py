"""What a person with an account can put in the agent's way: it must neither wait, nor swell."""

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.agent.host_facts.accounts import read_account_facts
from hub.agent.language_packages import read_language_packages
from hub.agent.watch.host import MAX_ENTRIES, Host, names_in, text_of
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.rotation import part_at
from hub.agent.watch.tail import read_tail
from hub.agent.watch.watched_files import file_watchers
from hub.agent.watch.watcher import Memory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWD = "root:x:0:0:root:/root:/bin/bash\neve:x:1000:1000::/home/eve:/bin/bash\n"
NODE = "/home/eve/.nvm/versions/node/v22/lib/node_modules"
_MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """Fail a test that waits for a pipe nobody writes to."""

    def late(*_: object) -> None:
        pytest.fail("it waits for ever")  # an OSError would be taken for a bad file

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Keys:
    """A host in a folder, and the watcher of its SSH keys."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = self.write("/home/eve/.ssh/authorized_keys", "ssh-ed25519 AAAA a\n")
        self.write("/etc/passwd", PASSWD)
        watchers = file_watchers(Host(root), integrity=[])
        self._watcher = next(watcher for watcher in watchers if watcher.name == "keys")
        self._memory: Memory | None = None

    def write(self, path: str, text: str) -> Path:
        """Write a file of the host."""
        here = self.root / path.lstrip("/")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(text)
        return here

    def look(self) -> list[ObservedEvent]:
        """Return what is new."""
        look = self._watcher.look(self._memory, now=NOW)
        self._memory = json.loads(json.dumps(look.memory))
        return list(look.events)


def a_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


@pytest.mark.parametrize("put", [a_pipe, a_device, a_loop])
def test_what_is_no_file_is_not_read(tmp_path: Path, put: Callable[[Path], None]) -> None:
    path = tmp_path / "trap"
    put(path)
    assert text_of(path) is None


@pytest.mark.parametrize("put", [a_pipe, a_device])
def test_a_log_that_is_no_file_is_not_followed(tmp_path: Path, put: Callable[[Path], None]) -> None:
    path = tmp_path / "auth.log"
    put(path)
    assert part_at(path) is None
    assert read_tail(path, None, now=0.0).lines == []


@pytest.mark.parametrize("put", [a_pipe, a_device, a_loop])
def test_the_keys_of_one_account_cannot_hide_those_of_another(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    host = Keys(tmp_path)
    host.look()
    put(host.file)
    host.write("/root/.ssh/authorized_keys", "ssh-ed25519 BBBB b\n")
    assert "/root/.ssh/authorized_keys" in {event.path for event in host.look()}


def test_a_home_that_cannot_be_asked_for_hides_nothing(tmp_path: Path) -> None:
    host = Keys(tmp_path)
    # As a home on a file system of its owner's own making: whoever else asks is refused.
    host.write("/etc/passwd", f"{PASSWD}bad:x:1001:1001::/home/{'x' * 300}:/bin/sh\n")
    host.look()
    host.file.write_text("ssh-ed25519 BBBB b\n")
    assert [event.user for event in host.look()] == ["eve"]


def test_a_key_below_very_many_lines_is_told(tmp_path: Path) -> None:
    host = Keys(tmp_path)
    many = "".join(f"junk-{number}\n" for number in range(600))
    host.file.write_text(many)
    host.look()
    host.file.write_text(f"{many}ssh-ed25519 BBBB eve\n")
    assert [event.user for event in host.look()] == ["eve"]


def test_a_huge_file_of_keys_costs_no_more_than_a_small_one(tmp_path: Path) -> None:
    host = Keys(tmp_path)
    host.look()
    host.file.write_bytes(b"a\n" * (8 * _MEGABYTE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (event,) = host.look()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert event.sha256 is not None
    assert grown < 8 * 1024, f"{grown} KiB"


def test_a_name_in_other_scripts_does_not_make_an_account_two(tmp_path: Path) -> None:
    host = Keys(tmp_path)
    host.write("/etc/passwd", PASSWD.replace("1000::", "1000:Eve\u2028\u0085\x0b:"))
    host.write("/etc/group", "root:x:0:\n")
    facts = read_account_facts(Host(tmp_path))
    assert facts is not None
    assert [account["name"] for account in facts] == ["root", "eve"]
    host.look()
    host.file.write_text("ssh-ed25519 BBBB b\n")
    assert [event.user for event in host.look()] == ["eve"]


def test_a_number_that_no_account_can_have_is_not_told(tmp_path: Path) -> None:
    host = Keys(tmp_path)
    host.write("/etc/passwd", f"{PASSWD}odd:x:{2**32}:1::/:/bin/sh\nodder:x:{'9' * 5000}:1::/:/\n")
    host.write("/etc/group", f"root:x:0:\nodd:x:{'9' * 5000}:\n")
    facts = read_account_facts(Host(tmp_path))
    assert facts is not None
    assert [account["name"] for account in facts] == ["root", "eve"]


def npm(root: Path, name: str, content: str | None = None) -> Path:
    folder = root / NODE.lstrip("/") / name
    folder.mkdir(parents=True, exist_ok=True)
    described = content or json.dumps({"name": name, "version": "1.0.0"})
    (folder / "package.json").write_text(described)
    return folder


def deep(root: Path) -> None:
    npm(root, "deep", "[" * 100_000)


def piped(root: Path) -> None:
    a_pipe(npm(root, "piped") / "package.json")


def looped(root: Path) -> None:
    a_loop(root / NODE.lstrip("/") / "looped")


@pytest.mark.parametrize("put", [deep, piped, looped])
def test_a_package_that_is_a_trap_is_left_out(tmp_path: Path, put: Callable[[Path], None]) -> None:
    npm(tmp_path, "good")
    put(tmp_path)
    assert [package.name for package in read_language_packages(Host(tmp_path))] == ["good"]


def test_of_very_many_names_in_a_folder_so_many_are_kept(tmp_path: Path) -> None:
    for number in range(MAX_ENTRIES + 50):
        (tmp_path / f"package-{number}").touch()
    assert len(names_in(tmp_path)) == MAX_ENTRIES
