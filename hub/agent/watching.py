"""What the agent reports and watches on this host, as its configuration says."""

from pathlib import Path

from hub.agent.client import AgentError
from hub.agent.configuration import DEFAULT_PATH, Configuration, read_configuration
from hub.agent.facts import FactReader
from hub.agent.report import Reporter
from hub.agent.watch.watchers import Watchers

WATCH_FOLDER = "watch"


def host_sources(folder: Path, configuration: Path | None) -> tuple[Reporter, Watchers]:
    """Return what makes the reports of this host, and what watches it."""
    wanted = configuration_of(configuration)
    return Reporter(facts=FactReader(wanted)), Watchers(folder / WATCH_FOLDER, wanted)


def configuration_of(path: Path | None) -> Configuration:
    """Return what a file says. One that is named has to be there; the usual one may be missing."""
    if path is not None and not path.exists():
        raise AgentError(f"There is no configuration file {path}.")
    return read_configuration(path or DEFAULT_PATH)
