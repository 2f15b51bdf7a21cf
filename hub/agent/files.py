"""Files of the agent's state folder: whole or not there, and readable by the agent only."""

import os
from pathlib import Path

from hub.agent.client import AgentError

DEFAULT_STATE_FOLDER = Path("/var/lib/monsys-agent")
TEMPORARY_SUFFIX = ".tmp"
STATUS_AGE_SECONDS = 60  # a running agent writes its status more often than this


def write_whole(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Write a file so that a reader finds the old content or the new one, never a part.

    Durable means that a power failure does not undo it. Without it, a power failure may leave an
    empty file; a killed process never does.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _give_to_owner_of(path.parent, file.fileno())
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a part of a file would keep a full disk full
        raise
    if is_durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_state_folder(folder: Path) -> None:
    """Make the folder if it is missing; nobody else may look into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AgentError(
            f"Cannot make the state folder {folder}. Run this as root, or choose another with"
            " --state-dir."
        ) from error


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Let the service read what root writes: the folder belongs to the service's user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
