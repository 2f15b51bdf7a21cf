"""What the agent reports and watches on this host, as its configuration says."""

from pathlib import Path

from hub.agent.client import AgentError
from hub.agent.configuration import DEFAULT_PATH, read_configuration
from hub.agent.facts import FactReader
from hub.agent.report import Reporter
from hub.agent.watch.watchers import Watchers

WATCH_FOLDER = "watch"


def host_sources(folder: Path, configuration: Path | None) -> tuple[Reporter, Watchers]:
    """Return what makes the reports of this host, and what watches it.

    A configuration that is named has to be there; the usual one may be missing.
    """
    if configuration is not None and not configuration.exists():
        raise AgentError(f"There is no configuration file {configuration}.")
    wanted = read_configuration(configuration or DEFAULT_PATH)
    return Reporter(facts=FactReader(wanted)), Watchers(folder / WATCH_FOLDER, wanted)
