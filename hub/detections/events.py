"""What happened on a host, in the hub's own terms: agents, Falco and Wazuh are translated into it.

Rules read these and nothing else, so a rule works whoever saw the event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What kind of thing happened."""

    AUTH_FAILURE = "auth_failure"  # a login was refused; user, source_address, process (sshd)
    AUTH_SUCCESS = "auth_success"  # somebody logged in; user, source_address, process
    AUTHORIZED_KEYS_CHANGED = "authorized_keys_changed"  # user, path
    BINARY_CHANGED = "binary_changed"  # a running binary is not the known one; path, sha256
    CRON_CHANGED = "cron_changed"  # path, user
    FILE_CHANGED = "file_changed"  # a watched file; path, sha256
    HONEYPOT_TOUCHED = "honeypot_touched"  # path, user and process where known
    KERNEL_MODULE_LOADED = "kernel_module_loaded"  # process holds the module's name
    LOG_SHRUNK = "log_shrunk"  # a log lost lines without having been rotated; path
    OUTBOUND_CONNECTION = "outbound_connection"  # process, source_address = the other end, port
    PORT_OPENED = "port_opened"  # something new accepts connections; port, protocol, process
    PRELOAD_CHANGED = "preload_changed"  # ld.so.preload or LD_PRELOAD of a process; path, process
    PROCESS_STARTED = "process_started"  # process, path, command, user
    SHELL_ON_SOCKET = "shell_on_socket"  # a shell whose standard input is a connection
    SUDO_COMMAND = "sudo_command"  # user ran command through sudo
    SUDOERS_CHANGED = "sudoers_changed"  # user was granted it (when known), path
    USER_ADDED = "user_added"  # user


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One thing that happened on one host. What is not known is None."""

    id: str  # the sender's own; the same id from one host is the same event, stored once
    kind: EventKind
    at: datetime
    summary: str  # one line for people, at most 500 characters
    user: str | None = None
    source_address: str | None = None  # an IP address: where it came from, or goes to
    process: str | None = None
    path: str | None = None
    command: str | None = None
    port: int | None = None
    protocol: str | None = None  # tcp, udp
    sha256: str | None = None
    count: int = 1  # how many alike the sender folded into this one
    raw: str | None = None  # the host's own line; it stays inside the hub
    details: Mapping[str, str] = field(default_factory=dict)  # what only one rule asks for
