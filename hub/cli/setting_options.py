"""From options to settings: what was typed wins over the environment."""

import os
from pathlib import Path
from typing import Any

from hub.cli.failures import CommandError
from hub.settings import Settings


def settings_from(
    *, host: str | None = None, port: int | None = None, data_dir: Path | None = None
) -> Settings:
    """Return the settings; the API's origin follows the port unless it is set by itself."""
    typed: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir}
    given = {name: value for name, value in typed.items() if value is not None}
    settings = Settings(**given)
    if "api_origin" in settings.model_fields_set:
        return settings
    return Settings(**given, api_origin=local_origin(settings.host, settings.port))


def local_origin(host: str, port: int) -> str:
    """Return the origin under which this machine itself reaches a hub that listens there."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_data_dir(settings: Settings) -> None:
    """Raise CommandError when the data folder cannot be written."""
    folder = settings.data_dir.expanduser()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise CommandError(f"{existing} is not a folder. Choose another with --data-dir.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CommandError(f"No permission to write in {existing}. Choose another --data-dir.")
