"""The agent's configuration: one TOML file, in which everything has a default.

`example_configuration()` is the whole of it with a sentence on each key.
"""

import ipaddress
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from hub.agent.client import AgentError
from hub.agent.toml_table import TomlTable

DEFAULT_PATH = Path("/etc/monsys-agent/agent.toml")
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where logins are written, and which logs must never become shorter."""

    authentication: tuple[str, ...] = ("/var/log/auth.log", "/var/log/secure")
    journal: str = "auto"  # auto: when none of the files is there; always; never
    never_shrink: tuple[str, ...] = (
        "/var/log/auth.log",
        "/var/log/secure",
        "/var/log/syslog",
        "/var/log/messages",
        "/var/log/audit/audit.log",
        "/var/log/wtmp",
        "/var/log/btmp",
    )


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Files whose change is told."""

    integrity: tuple[str, ...] = (
        "/etc/ssh/sshd_config",
        "/etc/ssh/sshd_config.d/*",
        "/etc/pam.d/*",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/etc/profile",
        "/etc/bash.bashrc",
        "/root/.bashrc",
        "/root/.profile",
    )


@dataclass(frozen=True, slots=True)
class HoneypotSettings:
    """Files that nobody has a reason to open."""

    paths: tuple[str, ...] = ()
    is_planted: bool = True  # made when they are missing


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What is looked at in running programs."""

    temporary_folders: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - watched
    max_hashed_megabytes: int = 64  # a look


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Which connections to other machines are told."""

    ignored_networks: tuple[Network, ...] = ()
    is_private_ignored: bool = True


@dataclass(frozen=True, slots=True)
class CertificateSettings:
    """Certificates whose expiry is told."""

    files: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()  # host:port


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """A backup that has to be fresh."""

    name: str
    path: str  # may have wildcards: the newest match counts
    max_age_hours: float = 26.0
    min_bytes: int = 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it."""

    logs: LogSettings = field(default_factory=LogSettings)
    files: FileSettings = field(default_factory=FileSettings)
    honeypots: HoneypotSettings = field(default_factory=HoneypotSettings)
    processes: ProcessSettings = field(default_factory=ProcessSettings)
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    certificates: CertificateSettings = field(default_factory=CertificateSettings)
    backups: tuple[BackupSettings, ...] = ()
    disabled: frozenset[str] = frozenset()  # names of watchers
    root: Path = Path("/")  # where the host's file system is: elsewhere in a container


def read_configuration(path: Path = DEFAULT_PATH) -> Configuration:
    """Return the configuration in this file; the defaults when there is no such file."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return Configuration()
    except (OSError, UnicodeDecodeError) as error:
        raise AgentError(f"Cannot read {path} as UTF-8 text.") from error
    try:
        return parse_configuration(text)
    except AgentError as error:
        raise AgentError(f"{path}: {error}") from error


def parse_configuration(text: str) -> Configuration:
    """Return the configuration in this TOML; raise AgentError that names the wrong key."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AgentError(f"This is not TOML: {error}.") from error
    top = TomlTable(content, "")
    configuration = Configuration(
        logs=_logs(top.table("logs")),
        files=_files(top.table("files")),
        honeypots=_honeypots(top.table("honeypots")),
        processes=_processes(top.table("processes")),
        connections=_connections(top.table("connections")),
        certificates=_certificates(top.table("certificates")),
        backups=tuple(_backup(table) for table in top.tables("backups")),
        disabled=frozenset(top.texts("disabled", ())),
        root=Path(top.path("root", "/")),
    )
    top.refuse_others()
    return configuration


def example_configuration() -> str:
    """Return the packaged example: each key with its default and what it is for."""
    return (files("hub.agent") / "agent.example.toml").read_text("utf-8")


def _logs(table: TomlTable) -> LogSettings:
    default = LogSettings()
    journal = table.text("journal", default.journal)
    if journal not in {"auto", "always", "never"}:
        raise table.wrong("journal", "must be auto, always or never")
    settings = LogSettings(
        authentication=table.paths("authentication", default.authentication),
        journal=journal,
        never_shrink=table.paths("never_shrink", default.never_shrink),
    )
    table.refuse_others()
    return settings


def _files(table: TomlTable) -> FileSettings:
    settings = FileSettings(integrity=table.paths("integrity", FileSettings().integrity))
    table.refuse_others()
    return settings


def _honeypots(table: TomlTable) -> HoneypotSettings:
    settings = HoneypotSettings(
        paths=table.paths("paths", ()), is_planted=table.flag("plant", default=True)
    )
    table.refuse_others()
    return settings


def _processes(table: TomlTable) -> ProcessSettings:
    default = ProcessSettings()
    settings = ProcessSettings(
        temporary_folders=table.paths("temporary_folders", default.temporary_folders),
        max_hashed_megabytes=int(
            table.number("max_hashed_megabytes", default.max_hashed_megabytes, low=1, high=1024)
        ),
    )
    table.refuse_others()
    return settings


def _connections(table: TomlTable) -> ConnectionSettings:
    settings = ConnectionSettings(
        ignored_networks=tuple(
            _network(table, text) for text in table.texts("ignored_networks", ())
        ),
        is_private_ignored=table.flag("ignore_private", default=True),
    )
    table.refuse_others()
    return settings


def _network(table: TomlTable, text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise table.wrong(
            "ignored_networks", f"must hold networks such as 192.0.2.0/24, and {text!r} is none"
        ) from error


def _certificates(table: TomlTable) -> CertificateSettings:
    endpoints = table.texts("endpoints", ())
    for endpoint in endpoints:
        host, _, port = endpoint.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - ports
            raise table.wrong("endpoints", f"must hold host:port, and {endpoint!r} is none")
    settings = CertificateSettings(files=table.paths("files", ()), endpoints=endpoints)
    table.refuse_others()
    return settings


def _backup(table: TomlTable) -> BackupSettings:
    settings = BackupSettings(
        name=table.text("name"),
        path=table.path("path"),
        max_age_hours=table.number("max_age_hours", 26, low=0.01, high=24 * 400),
        min_bytes=int(table.number("min_bytes", 1, low=0, high=2**53)),
    )
    table.refuse_others()
    return settings
