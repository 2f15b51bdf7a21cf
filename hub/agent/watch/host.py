"""Where the host's files are: at the root, or elsewhere when the agent runs in a container."""

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterable
from io import BufferedReader
from itertools import islice
from pathlib import Path

MAX_MATCHES = 2_000
MAX_ENTRIES = 10_000  # of one folder; some belong to people who could fill them without end


class Host:
    """The file system of the host, asked by the paths that the host itself uses."""

    def __init__(self, root: Path = Path("/"), *, proc: Path | None = None) -> None:
        self._root = root
        self._is_here = root == Path("/")
        self.proc = proc or root / "proc"

    def path(self, path: str) -> Path:
        """Return where this path of the host is for us."""
        return Path(path) if self._is_here else self._root / path.lstrip("/")

    def name(self, path: Path) -> str:
        """Return the host's own name of a path of ours."""
        return str(path) if self._is_here else "/" + str(path.relative_to(self._root))

    def matches(self, patterns: Iterable[str]) -> list[str]:
        """Return the paths that are there and match, each once, sorted."""
        found: set[str] = set()
        for pattern in patterns:
            if glob.has_magic(pattern):
                found.update(self._expanded(pattern))
            else:
                found.add(pattern)
        return sorted(path for path in found if is_there(self.path(path)))[:MAX_MATCHES]

    def text(self, path: str, *, max_bytes: int = 4 << 20) -> str | None:
        """Return the text of a file, whatever bytes are in it; None when it cannot be read."""
        return text_of(self.path(path), max_bytes=max_bytes)

    def _expanded(self, pattern: str) -> list[str]:
        """Return what a pattern matches: as `glob` does, but never more than memory bears."""
        found = ["/"]
        *folders, last = (part for part in pattern.split("/") if part)
        for part in folders:
            found = [path for path in self._within(found, part) if self._is_folder(path)]
        return self._within(found, last)

    def _within(self, folders: Iterable[str], part: str) -> list[str]:
        if not glob.has_magic(part):
            return [f"{folder.rstrip('/')}/{part}" for folder in folders]
        matches = (
            f"{folder.rstrip('/')}/{name}"
            for folder in folders
            for name in fnmatch.filter(names_in(self.path(folder)), part)
            if not name.startswith(".") or part.startswith(".")
        )
        return list(islice(matches, MAX_MATCHES))

    def _is_folder(self, path: str) -> bool:
        return os.path.isdir(self.path(path))  # noqa: PTH112 - pathlib's raises when it is refused


def is_there(path: Path) -> bool:
    """Tell whether something is at this path, as far as we can tell.

    Never raises, as `Path.exists` does: a home may lie on a file system of its owner's own making,
    which refuses whoever else asks.
    """
    return os.path.exists(path)  # noqa: PTH110 - see above


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none when it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, MAX_ENTRIES))
    except OSError:
        return []


def open_file(path: Path) -> BufferedReader:
    """Open a file to read it; raise OSError for what is none.

    Anybody may put a pipe or a device where a file is expected, also at the last moment. A pipe
    that nobody writes to would hold the agent up for ever, and opening is what some devices act
    upon. So what is there is held first (O_PATH opens nothing), then looked at, then opened.
    """
    held = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(held).st_mode):
            raise IsADirectoryError(errno.EISDIR, "no file", str(path))
        descriptor = os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(held)
    return os.fdopen(descriptor, "rb")


def text_of(path: Path, *, max_bytes: int = 4 << 20) -> str | None:
    """Return the text of a file, whatever bytes are in it; None when it cannot be read."""
    try:
        with open_file(path) as file:
            return file.read(max_bytes).decode("utf-8", "replace")
    except OSError:
        return None
