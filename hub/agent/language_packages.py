"""Packages that pip and npm installed for the whole machine, beside the system's own ones."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from hub.agent.packages import Package
from hub.agent.watch.host import Host, names_in, text_of

_PYTHON_FOLDERS = (
    "/usr/lib/python3*/dist-packages",
    "/usr/lib/python3*/site-packages",
    "/usr/lib64/python3*/site-packages",
    "/usr/local/lib/python3*/dist-packages",
    "/usr/local/lib/python3*/site-packages",
    "/usr/local/lib64/python3*/site-packages",
    "/opt/python*/lib/python3*/site-packages",
    "/opt/pyenv/versions/*/lib/python3*/site-packages",
    "/root/.pyenv/versions/*/lib/python3*/site-packages",
    "/home/*/.pyenv/versions/*/lib/python3*/site-packages",
)
_NODE_FOLDERS = (
    "/usr/lib/node_modules",
    "/usr/local/lib/node_modules",
    "/opt/node*/lib/node_modules",
    "/root/.nvm/versions/node/*/lib/node_modules",
    "/home/*/.nvm/versions/node/*/lib/node_modules",
)
# Of these the system's package manager tells already, with the fixes that it backported.
_SYSTEM_INSTALLERS = frozenset({"", "debian", "dpkg", "rpm", "apk"})
_DISTRIBUTION = re.compile(r"(?P<name>[A-Za-z0-9._-]+?)-(?P<version>[^-]+)\.dist-info")
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,256}")
_MAX_PACKAGES = 5_000
_MAX_JSON_BYTES = 1 << 20


def language_package_folders(host: Host) -> list[str]:
    """Return the folders that hold such packages; one changes when a package comes or goes."""
    ours = Path(sys.prefix)
    return [
        folder
        for folder in host.matches((*_PYTHON_FOLDERS, *_NODE_FOLDERS))
        if sys.prefix == sys.base_prefix or not Path(folder).is_relative_to(ours)
    ]


def read_language_packages(host: Host) -> list[Package]:
    """Return the packages, sorted, each version once."""
    found: set[Package] = set()
    for folder in language_package_folders(host):
        here = host.path(folder)
        if here.name == "node_modules":
            found.update(_node_packages(here))
        else:
            found.update(_python_packages(here, is_of_system=folder.startswith("/usr/lib")))
    return sorted(found)[:_MAX_PACKAGES]


def _python_packages(folder: Path, *, is_of_system: bool) -> Iterator[Package]:
    """Yield what installers wrote down; its folder's name says name and version."""
    for entry in _entries(folder):
        match = _DISTRIBUTION.fullmatch(entry.name)
        if match is None:
            continue
        installer = (text_of(entry / "INSTALLER", max_bytes=64) or "").strip().lower()
        if installer in _SYSTEM_INSTALLERS and is_of_system:
            continue
        name = re.sub(r"[-_.]+", "-", match["name"]).lower()  # PEP 503
        yield Package("PyPI", name, match["version"].replace("_", "-"), "", "")


def _node_packages(folder: Path) -> Iterator[Package]:
    for entry in _entries(folder):
        names = _entries(entry) if entry.name.startswith("@") else [entry]
        for package in names:
            if os.path.realpath(package).startswith("/usr/share/"):  # Debian's own
                continue
            described = _package_json(package / "package.json")
            if described is not None:
                yield Package("npm", *described, "", "")


def _package_json(path: Path) -> tuple[str, str] | None:
    try:
        content = json.loads(text_of(path, max_bytes=_MAX_JSON_BYTES) or "")
        name, version = content["name"], content["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_fit = all(isinstance(text, str) and _PRINTABLE.fullmatch(text) for text in (name, version))
    return (name, version) if is_fit else None


def _entries(folder: Path) -> list[Path]:
    return [folder / name for name in names_in(folder)]
