"""Taking the agent away from this machine."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hub.agent import service
from hub.agent.client import AgentError
from hub.agent.enrol import retire
from hub.agent.files import DEFAULT_STATE_FOLDER
from hub.agent.identity import IDENTITY_FILE, OWN_MACHINE_ID_FILE
from hub.agent.runner import LOCK_FILE, SEQUENCE_FILE, SPOOL_FOLDER, only_agent
from hub.agent.status import STATUS_FILE
from hub.agent.watching import WATCH_FOLDER

# Only what the agent made: the folder is named by an option, and an option can be mistyped.
_FILES = (SEQUENCE_FILE, STATUS_FILE, OWN_MACHINE_ID_FILE, LOCK_FILE)
_FOLDERS = (SPOOL_FOLDER, WATCH_FOLDER)


def uninstall_agent(folder: Path) -> Iterator[str]:
    """Stop the service, retire the key, delete the state; yield what was done."""
    if folder == DEFAULT_STATE_FOLDER and service.is_installed():
        service.remove()
        yield "The service is stopped and removed."
    with only_agent(folder):
        if (folder / IDENTITY_FILE).exists():
            yield _retired(folder)
        _delete(folder)
    with suppress(OSError):  # something else lies in it
        _remove(folder)
    yield f"The state in {folder} is deleted."


def _retired(folder: Path) -> str:
    """Ask the hub, and say what came of it. A hub that is away does not keep an agent here."""
    try:
        answer = retire(folder)
    except AgentError as error:
        return f"The hub was not asked to retire the key: {error}"
    if answer.is_accepted:
        return "The hub trusts this machine's key no more."
    return (
        f"The hub did not retire the key ({answer.message}). The key is deleted here; retire the"
        " server in the dashboard."
    )


def _remove(folder: Path) -> None:
    """Remove the empty folder; systemd has put a link in its place (DynamicUser)."""
    folder.resolve().rmdir()
    if folder.is_symlink():
        folder.unlink()


def _delete(folder: Path) -> None:
    (folder / IDENTITY_FILE).unlink(missing_ok=True)
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
