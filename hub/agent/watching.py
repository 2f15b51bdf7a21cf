"""The watchers, as the runner wants them."""

from pathlib import Path

from hub.agent.configuration import DEFAULT_PATH, read_configuration
from hub.agent.facts import FactReader
from hub.agent.report import Reporter
from hub.agent.watch.watchers import Watchers

WATCH_FOLDER = "watch"


def host_events(folder: Path, configuration: Path | None) -> Watchers:
    """Return the watchers of this host, as configured."""
    return Watchers(folder / WATCH_FOLDER, read_configuration(configuration or DEFAULT_PATH))


def host_reports(configuration: Path | None) -> Reporter:
    """Return what makes this host's reports, with the facts that are configured."""
    return Reporter(facts=FactReader(read_configuration(configuration or DEFAULT_PATH)))
