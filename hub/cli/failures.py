"""What can go wrong on the command line, in one line that says what to do."""

import errno
import sys
from typing import Any


class CommandError(Exception):
    """A failure with words for the person who typed the command."""


def failure_message(error: Exception) -> str | None:
    """Return one line for a failure that is no bug; None for a bug, whose traceback is needed."""
    if isinstance(error, CommandError):
        return str(error)
    for name, describe in _DESCRIBED:
        # Looked up among what is loaded: describing a failure must not import what did not fail.
        module_name, _, class_name = name.rpartition(".")
        kind = getattr(sys.modules.get(module_name), class_name, None)
        if kind is not None and isinstance(error, kind):
            words: str | None = describe(error)
            return words
    if isinstance(error, OSError):
        return _operating_system(error)
    return None


def _operating_system(error: OSError) -> str | None:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        where = f" ({error.filename})" if error.filename else ""
        return f"No permission to write there{where}. Choose another folder with --data-dir."
    if error.errno == errno.ENOSPC:
        return "The disk is full. Free some space and run the command again."
    if error.errno == errno.EADDRINUSE:
        return "The port is in use. Choose another with --port."
    if isinstance(error, ConnectionError):
        return _DATABASE_AWAY
    return None


_DATABASE_AWAY = (
    "The database does not answer. Check MONSYS_DATABASE_URL (MONSYS_DATABASE_OWNER_URL for"
    " migrations), and that PostgreSQL runs; without these variables the hub starts its own."
)


def _database(error: Any) -> str | None:
    """Say what can be said without repeating the driver's words, which may hold an address."""
    code = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    if code.startswith("28"):
        return "The database refuses this login. Check user and password in the URL."
    if code == "3D000":
        return "The server has no such database. Create it, or correct the URL."
    if code.startswith(("08", "57")) or not code:
        return _DATABASE_AWAY
    return None


def _settings(error: Any) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    name = f"MONSYS_{location[0].upper()}: " if location else ""
    return f"{name}{first['msg'].removeprefix('Value error, ')}."


_DESCRIBED: tuple[tuple[str, Any], ...] = (
    ("hub.errors.HubError", lambda error: error.message),
    ("hub.agent.client.AgentError", str),
    ("pydantic_core.ValidationError", _settings),
    (
        "subprocess.CalledProcessError",
        lambda _: (
            "The embedded PostgreSQL did not start. Its log is the file `postgres/log` in the data"
            " folder; another --data-dir starts a new one."
        ),
    ),
    ("sqlalchemy.exc.InterfaceError", _database),
    ("sqlalchemy.exc.DBAPIError", _database),
    (
        "sqlalchemy.exc.ArgumentError",
        lambda _: "A database URL looks like postgresql://user@host/name.",
    ),
    ("asyncpg.exceptions.PostgresError", _database),
    ("asyncpg.exceptions.InterfaceError", _database),
)
