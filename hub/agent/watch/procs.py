"""What /proc says about running programs. Everything in it may be gone while it is read."""

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MAX_PROCESSES = 20_000
_MAX_DESCRIPTORS = 100_000
_DELETED = " (deleted)"
_MAX_COMMAND = 2_000
_MAX_ENVIRONMENT = 256 << 10


@dataclass(frozen=True, slots=True)
class Executable:
    """The file that a process runs."""

    path: str  # without the kernel's mark for a deleted one
    device: int
    inode: int
    size: int
    modified_ns: int
    is_deleted: bool

    @property
    def is_in_memory(self) -> bool:
        """Whether it never was a file: memfd_create, the way to leave none behind."""
        return self.path.startswith("/memfd:")

    @property
    def shown_path(self) -> str:
        """The path as the kernel shows it."""
        return f"{self.path}{_DELETED}" if self.is_deleted and not self.is_in_memory else self.path

    @property
    def identity(self) -> tuple[int, int, int, int]:
        """What stays the same as long as the file's content does."""
        return self.device, self.inode, self.size, self.modified_ns


@dataclass(frozen=True, slots=True)
class Opener:
    """A process that holds something open."""

    pid: int
    process: str
    user: str
    command: str


def process_ids(proc: Path) -> list[int]:
    """Return the ids of the processes that run, without threads."""
    try:
        names = os.listdir(proc)  # noqa: PTH208 - hot path
    except OSError:
        return []
    return [int(name) for name in names if name.isdecimal()][:_MAX_PROCESSES]


def executable_of(proc: Path, pid: int) -> Executable | None:
    """Return what the process runs; None for threads of the kernel, and where we may not look."""
    link = f"{proc}/{pid}/exe"
    try:
        path, stat = os.readlink(link), os.stat(link)  # noqa: PTH115, PTH116 - hot path
    except OSError:
        return None
    is_deleted = path.endswith(_DELETED) and not _is_at(f"{proc}/{pid}/root{path}", stat)
    return Executable(
        path=path.removesuffix(_DELETED) if is_deleted else path,
        device=stat.st_dev,
        inode=stat.st_ino,
        size=stat.st_size,
        modified_ns=stat.st_mtime_ns,
        is_deleted=is_deleted,
    )


def _is_at(path: str, stat: os.stat_result) -> bool:
    """Tell whether this very file is at the path: a file may be called `x (deleted)`."""
    try:
        found = os.stat(path)  # noqa: PTH116 - hot path
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (stat.st_dev, stat.st_ino)


def started_at_ticks(proc: Path, pid: int) -> int:
    """Return when the process began, in ticks since boot: with it, a process id is unique."""
    return _stat_field(proc, pid, 22)


def parent_of(proc: Path, pid: int) -> int:
    """Return the id of the process that started it; 0 when it is gone."""
    return _stat_field(proc, pid, 4)


def _stat_field(proc: Path, pid: int, number: int) -> int:
    """Return a field of /proc/PID/stat by its number in proc(5); 0 when the process is gone."""
    try:
        content = (proc / str(pid) / "stat").read_bytes()
        # The second field is a name in brackets, which may hold anything, brackets included.
        return int(content.rpartition(b")")[2].split()[number - 3])
    except (OSError, ValueError, IndexError):
        return 0


def name_of(proc: Path, pid: int) -> str:
    """Return the process's name, at most 15 characters; empty when it is gone."""
    return _read(proc / str(pid) / "comm", 64).strip()


def command_of(proc: Path, pid: int) -> str:
    """Return the command line, its words joined by blanks."""
    return _read(proc / str(pid) / "cmdline", _MAX_COMMAND).replace("\0", " ").strip()


def environment_value(proc: Path, pid: int, name: str) -> str | None:
    """Return a variable of the process's first environment, where we may read it."""
    try:
        with (proc / str(pid) / "environ").open("rb") as file:
            content = file.read(_MAX_ENVIRONMENT)
    except OSError:
        return None
    marker = f"{name}=".encode()
    if marker not in content:
        return None
    for variable in content.split(b"\0"):
        if variable.startswith(marker):
            return variable[len(marker) :].decode("utf-8", "replace")
    return None


def user_of(proc: Path, pid: int) -> str:
    """Return the name of the account that the process runs as; its number when it has no name."""
    try:
        uid = (proc / str(pid)).stat().st_uid
    except OSError:
        return ""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def opener(proc: Path, pid: int) -> Opener:
    """Return what is to be told of a process."""
    return Opener(pid, name_of(proc, pid), user_of(proc, pid), command_of(proc, pid))


def descriptors(proc: Path) -> Iterator[tuple[int, str]]:
    """Yield (process, what an open file of it is) over all processes; bounded."""
    left = _MAX_DESCRIPTORS
    for pid in process_ids(proc):
        folder = f"{proc}/{pid}/fd"
        try:
            names = os.listdir(folder)  # noqa: PTH208 - hot path
        except OSError:
            continue
        for name in names:
            left -= 1
            if left < 0:
                return
            with suppress(OSError):
                yield pid, os.readlink(f"{folder}/{name}")  # noqa: PTH115 - hot path


def openers_of(path: str, *, proc: Path) -> list[Opener]:
    """Return the processes that hold this file open just now, without ourselves."""
    ours = os.getpid()
    pids = {pid for pid, target in descriptors(proc) if target == path and pid != ours}
    return [opener(proc, pid) for pid in sorted(pids)]


def socket_owners(proc: Path, inodes: set[int]) -> dict[int, int]:
    """Return which process holds each of these sockets; what we may not see is left out."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, int] = {}
    for pid, target in descriptors(proc) if wanted else ():
        inode = wanted.get(target)
        if inode is not None:
            owners.setdefault(inode, pid)
            if len(owners) == len(wanted):
                break
    return owners


def _read(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""
