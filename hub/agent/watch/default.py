"""The watchers of a host, as its configuration wants them."""

from hub.agent.client import AgentError
from hub.agent.configuration import Configuration
from hub.agent.watch.accounts import AccountWatcher
from hub.agent.watch.authentication import AuthenticationWatcher
from hub.agent.watch.binaries import BinaryWatcher
from hub.agent.watch.connections import ConnectionWatcher
from hub.agent.watch.honeypots import HoneypotWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.kernel_modules import KernelModuleWatcher
from hub.agent.watch.log_files import LogFileWatcher
from hub.agent.watch.ports import PortWatcher
from hub.agent.watch.processes import ProcessWatcher
from hub.agent.watch.watched_files import file_watchers
from hub.agent.watch.watcher import Watcher


def watchers_of(configuration: Configuration) -> list[Watcher]:
    """Return the watchers that are not disabled; raise AgentError for a name that none has."""
    host = Host(configuration.root)
    watchers: list[Watcher] = [
        AuthenticationWatcher(configuration.logs, host),
        HoneypotWatcher(configuration.honeypots, host),
        ProcessWatcher(configuration.processes, host),
        AccountWatcher(host),
        *file_watchers(host, integrity=configuration.files.integrity),
        KernelModuleWatcher(host),
        LogFileWatcher(configuration.logs.never_shrink, host),
        PortWatcher(host),
        ConnectionWatcher(configuration.connections, host),
        BinaryWatcher(configuration.processes, host),
    ]
    unknown = configuration.disabled - {watcher.name for watcher in watchers}
    if unknown:
        raise AgentError(f"`disabled` names {min(unknown)!r}, and no watcher is called so.")
    return [watcher for watcher in watchers if watcher.name not in configuration.disabled]
