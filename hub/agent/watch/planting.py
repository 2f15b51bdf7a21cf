"""Lays out honeypots that are missing: files that look worth stealing and are worth nothing."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hub.agent.configuration import HoneypotSettings
from hub.agent.watch.host import Host, is_there

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Planted:
    """A honeypot that was missing: it is there now, or why it is not."""

    path: str
    problem: str = ""


def plant_missing(settings: HoneypotSettings, host: Host) -> Iterator[Planted]:
    """Make the configured files that are missing; tell of each."""
    for path in settings.paths if settings.is_planted else ():
        here = host.path(path)
        if is_there(here):
            continue
        try:
            plant(here)
        except OSError as error:
            yield Planted(path, error.strerror or type(error).__name__)
        else:
            yield Planted(path)


def plant(path: Path) -> None:
    """Make one; raise OSError where it cannot be made.

    Root does this, perhaps in a folder of somebody else: so no link of theirs is followed, which
    could lead the file to where it does harm (`/etc/sudoers.d`).
    """
    with ExitStack() as opened:
        folder = _open("/", None, opened)
        for part in path.parent.parts[1:]:
            folder = _entered(part, folder, opened)
        descriptor = os.open(path.name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(_content())
        except OSError:  # a full disk; an empty file is bait for nobody
            os.unlink(path.name, dir_fd=folder)
            raise


def _entered(name: str, folder: int, opened: ExitStack) -> int:
    """Open the folder of this name, and make it if it is missing."""
    try:
        return _open(name, folder, opened, os.O_NOFOLLOW)
    except FileNotFoundError:
        os.mkdir(name, 0o755, dir_fd=folder)
        return _open(name, folder, opened, os.O_NOFOLLOW)
    except NotADirectoryError:
        owner = os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid
        if owner not in {0, os.geteuid()}:
            raise PermissionError(
                errno.EPERM, "The way leads over a link that is not root's"
            ) from None
        return _open(name, folder, opened)


def _open(name: str, folder: int | None, opened: ExitStack, flags: int = 0) -> int:
    descriptor = os.open(name, _FOLDER | flags, dir_fd=folder)
    opened.callback(os.close, descriptor)
    return descriptor


def _content() -> str:
    """Return the credentials of an account that does not exist."""
    identity = "AKIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return (
        "[default]\n"
        f"aws_access_key_id = {identity}\n"
        f"aws_secret_access_key = {secrets.token_urlsafe(30)}\n"
    )
