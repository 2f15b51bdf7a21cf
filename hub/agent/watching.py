"""The watchers, as the runner wants them."""

from pathlib import Path

from hub.agent.configuration import DEFAULT_PATH, read_configuration
from hub.agent.watch.watchers import Watchers

WATCH_FOLDER = "watch"


def host_events(folder: Path, configuration: Path | None) -> Watchers:
    """Return the watchers of this host, as configured."""
    return Watchers(folder / WATCH_FOLDER, read_configuration(configuration or DEFAULT_PATH))
