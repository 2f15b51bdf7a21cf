"""Asks the package manager whether a file is as its package brought it.

That is what tells an update from an intruder. dpkg keeps an MD5 of each file of a package; it is
weak against collisions made on purpose by the package's author, and nobody else: to pass for a
packaged file, one has to hit a given sum.
"""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hub.agent.watch.host import Host, open_file

_TIMEOUT_SECONDS = 10
_DPKG = "/var/lib/dpkg"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which package a file is of, and whether it is as the package has it."""

    package: str
    is_verified: bool

    def details(self) -> dict[str, str]:
        """Return what an event says of it."""
        return {
            "package": self.package,
            "package_verified": "yes" if self.is_verified else "no",
        }


def ownership_of(host: Host, path: str) -> Ownership | None:
    """Return whose file it is; None when no package says that it is its own."""
    if host.path(f"{_DPKG}/info").is_dir():
        return _dpkg(host, path)
    if shutil.which("rpm") and host.path("/") == Path("/"):
        return _rpm(path)
    return None


def _dpkg(host: Host, path: str) -> Ownership | None:
    """Search the lists of dpkg; a merged /usr has files under two names, and dpkg knows one."""
    wanted = {name.encode() for name in (path, path.removeprefix("/usr"), f"/usr{path}")}
    for listing in sorted(host.path(f"{_DPKG}/info").glob("*.list")):
        try:
            content = listing.read_bytes()
        except OSError:
            continue
        found = next((name for name in wanted if b"\n" + name + b"\n" in b"\n" + content), None)
        if found is not None:
            sums = listing.with_suffix(".md5sums")
            return Ownership(
                listing.stem.partition(":")[0], _has_sum(sums, found.decode(), host.path(path))
            )
    return None


def _has_sum(sums: Path, name: str, path: Path) -> bool:
    try:
        lines = sums.read_text("utf-8", "replace").splitlines()
        with open_file(path) as file:
            actual = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except OSError:
        return False
    return f"{actual.hexdigest()}  {name.lstrip('/')}" in lines


def _rpm(path: str) -> Ownership | None:
    try:
        owner = _run("rpm", "-qf", "--qf", "%{NAME}\n", path)
        verified = (
            _run("rpm", "-Vf", "--nomtime", "--nodeps", path) if not owner.returncode else owner
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if owner.returncode:
        return None
    is_changed = any(line.endswith(f" {path}") for line in verified.stdout.splitlines())
    return Ownership(owner.stdout.splitlines()[0], not is_changed)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - fixed commands, no shell
        command, capture_output=True, check=False, text=True, timeout=_TIMEOUT_SECONDS
    )
