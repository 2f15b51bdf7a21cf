"""The TypeScript of the pages: types and tests hold, and what is served was made of it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.node_packages import run_node

ROOT = Path(__file__).parents[2]
WEB = ROOT / "hub" / "web"
# `uv sync` leaves them here when it builds the pages.
MODULES = WEB / "node_modules"


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.node
@pytest.mark.parametrize(
    "command", [("typescript/bin/tsc", "--noEmit"), ("vitest/vitest.mjs", "run")], ids=str
)
async def test_the_project_keeps_its_own_checks(command: tuple[str, str]) -> None:
    program, argument = command
    finished = await run_node(MODULES / program, argument, cwd=WEB)
    assert finished.returncode == 0, finished.output


@pytest.fixture
def build_hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return hatch_build.py, which is written against hatchling: there only while building."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = list  # type: ignore[attr-defined] # any generic class will do
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    for package in ("hatchling", "hatchling.builders", "hatchling.builders.hooks"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setitem(
        sys.modules,
        "hatchling.builders.hooks.plugin",
        ModuleType("hatchling.builders.hooks.plugin"),
    )
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.node
def test_the_pages_were_built_from_these_sources(build_hook: ModuleType) -> None:
    assert build_hook.is_current(WEB), "run: uv sync --reinstall-package monsys-hub"


def test_a_change_of_the_sources_is_noticed(build_hook: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "page.ts"
    source.write_text("one", "utf-8")
    (tmp_path / "dist").mkdir()
    stamp = tmp_path / "dist" / build_hook.STAMP
    stamp.write_text(build_hook.digest_of_sources(tmp_path), "utf-8")
    assert build_hook.is_current(tmp_path)
    (tmp_path / "src" / "page.test.ts").write_text("tests do not count", "utf-8")
    assert build_hook.is_current(tmp_path)
    source.write_text("two", "utf-8")
    assert not build_hook.is_current(tmp_path)
