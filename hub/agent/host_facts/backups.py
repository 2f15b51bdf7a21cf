"""How fresh the configured backups are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hub.agent.configuration import BackupSettings
from hub.agent.watch.host import Host
from hub.agent.watch.observed import one_line


def read_backups(settings: Sequence[BackupSettings], host: Host) -> list[dict[str, Any]] | None:
    """Return each configured backup with its newest copy; None when none is configured."""
    return [_fact(backup, host) for backup in settings] or None


def _fact(backup: BackupSettings, host: Host) -> dict[str, Any]:
    """Return what is there. Whether it is too old is for the hub to say: time goes on there, too.

    A copy that is too small is none: a dump that failed leaves an empty file behind.
    """
    newest, size = None, None
    for path in host.matches([backup.path]):
        try:
            stat = host.path(path).stat()
        except OSError:
            continue
        is_large_enough = stat.st_size >= backup.min_bytes or host.path(path).is_dir()
        if is_large_enough and (newest is None or stat.st_mtime > newest):
            newest, size = stat.st_mtime, stat.st_size
    return {
        "name": one_line(backup.name, 128),
        "path": one_line(backup.path, 1024),
        "newest_at": None if newest is None else datetime.fromtimestamp(newest, UTC).isoformat(),
        "newest_bytes": size,
        "max_age_hours": float(backup.max_age_hours),
    }
