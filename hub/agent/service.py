"""The systemd service: the packaged unit, put in place and taken away."""

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from hub.agent.client import AgentError
from hub.agent.files import DEFAULT_STATE_FOLDER

UNIT_PATH = Path("/etc/systemd/system/monsys-agent.service")
UNIT = "monsys-agent.service"
_PLACEHOLDER = "@MONSYS@"
_TIMEOUT_SECONDS = 60


def unit_text() -> str:
    """Return the unit, with the program that is running now in it."""
    packaged = (files("hub.agent") / UNIT).read_text("utf-8")
    return packaged.replace(_PLACEHOLDER, _program())


def check_can_install(state_folder: Path) -> None:
    """Say why the service cannot be installed, before a token is used up for it."""
    _check_root_and_systemd()
    if state_folder != DEFAULT_STATE_FOLDER:
        raise AgentError(
            f"The service keeps its state in {DEFAULT_STATE_FOLDER}; leave --state-dir out."
        )


def install(path: Path = UNIT_PATH) -> None:
    """Write the unit, and have systemd start it now and at every boot."""
    _check_root_and_systemd()
    path.write_text(unit_text(), "utf-8")
    path.chmod(0o644)
    _systemctl("daemon-reload")
    _systemctl("enable", UNIT)
    _systemctl("restart", UNIT)


def is_installed(path: Path = UNIT_PATH) -> bool:
    """Tell whether the unit is there."""
    return path.exists()


def remove(path: Path = UNIT_PATH) -> None:
    """Stop the service and take the unit away."""
    _check_root_and_systemd()
    _systemctl("disable", "--now", UNIT)
    path.unlink(missing_ok=True)
    _systemctl("daemon-reload")


def _program() -> str:
    """Return how to start this very installation: the script beside the interpreter."""
    script = Path(sys.executable).with_name("monsys")
    if script.exists():
        return str(script)
    found = shutil.which("monsys")
    return found or f"{sys.executable} -m hub.cli"


def _check_root_and_systemd() -> None:
    if os.geteuid() != 0:
        raise AgentError("The service is root's to install and remove: run this as root (sudo).")
    if not Path("/run/systemd/system").is_dir():
        raise AgentError(
            "systemd does not run here. Start `monsys agent run` by what starts services on this"
            " machine; `monsys agent unit` shows the limits it is meant to have."
        )


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - fixed commands, no shell
        ("systemctl", *arguments),  # noqa: S607 - root's own path
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    if done.returncode:
        raise AgentError(f"`systemctl {' '.join(arguments)}` failed: {done.stderr.strip()[:300]}")
