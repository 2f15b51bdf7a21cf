"""Where the host's files are: at the root, or elsewhere when the agent runs in a container."""

import glob
from collections.abc import Iterable
from pathlib import Path

MAX_MATCHES = 2_000


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
            here = str(self.path(pattern))
            matches = glob.glob(here) if glob.has_magic(here) else [here]  # noqa: PTH207 - absolute
            found.update(self.name(Path(match)) for match in matches[:MAX_MATCHES])
        return sorted(path for path in found if self.path(path).exists())[:MAX_MATCHES]

    def text(self, path: str, *, max_bytes: int = 4 << 20) -> str | None:
        """Return the text of a file, whatever bytes are in it; None when it cannot be read."""
        return text_of(self.path(path), max_bytes=max_bytes)


def text_of(path: Path, *, max_bytes: int = 4 << 20) -> str | None:
    """Return the text of a file, whatever bytes are in it; None when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(max_bytes).decode("utf-8", "replace")
    except OSError:
        return None
