"""What Falco's alerts say, in the hub's own terms.

Tags and output fields come first: they say what happened, whoever wrote or renamed the rule. The
rule's name decides where they say nothing; names are those of the rule files that Falco ships.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hub.detections.events import EventKind
from hub.detections.foreign import kind_of_path
from hub.detections.rules.programs import is_in_temporary_folder

_NAMES = {
    "adding ssh keys to authorized_keys": EventKind.AUTHORIZED_KEYS_CHANGED,
    "clear log activities": EventKind.LOG_SHRUNK,
    "delete or rename shell history": EventKind.LOG_SHRUNK,
    "detect crypto miners using the stratum protocol": EventKind.PROCESS_STARTED,
    "detect outbound connections to common miner pool ports": EventKind.OUTBOUND_CONNECTION,
    "drop and execute new binary in container": EventKind.BINARY_CHANGED,
    "execution from /dev/shm": EventKind.PROCESS_STARTED,
    "execution from /tmp": EventKind.PROCESS_STARTED,
    "fileless execution via memfd_create": EventKind.PROCESS_STARTED,
    "linux kernel module injection detected": EventKind.KERNEL_MODULE_LOADED,
    "netcat remote code execution in container": EventKind.SHELL_ON_SOCKET,
    "netcat/socat remote code execution on host": EventKind.SHELL_ON_SOCKET,
    "read sensitive file trusted after startup": EventKind.HONEYPOT_TOUCHED,
    "read sensitive file untrusted": EventKind.HONEYPOT_TOUCHED,
    "redirect stdout/stdin to network connection in container": EventKind.SHELL_ON_SOCKET,
    "redirect stdout/stdin to network connection in host": EventKind.SHELL_ON_SOCKET,
    "schedule cron jobs": EventKind.CRON_CHANGED,
    "sudo potential privilege escalation": EventKind.SUDOERS_CHANGED,
    "write below binary dir": EventKind.FILE_CHANGED,
    "write below etc": EventKind.FILE_CHANGED,
    "write below monitored dir": EventKind.FILE_CHANGED,
    "write below root": EventKind.FILE_CHANGED,
    "write below rpm database": EventKind.FILE_CHANGED,
}
_MANAGES_USERS = "user mgmt binaries"  # also of those that change and remove accounts
_MAKES_USERS = frozenset({"adduser", "useradd", "newusers"})
_SHELLS = frozenset({"ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"})
_LOADS_MODULES = frozenset({"init_module", "finit_module"})
_RUNS = frozenset({"execve", "execveat"})
_REPLACES_DESCRIPTORS = frozenset({"dup", "dup2", "dup3"})
_STANDARD_DESCRIPTORS = frozenset({"0", "1", "2"})
_CONNECTS = frozenset({"connect", "sendmsg", "sendto"})
_WRITES = frozenset(
    {
        *("creat", "ftruncate", "link", "linkat", "pwrite", "pwritev", "rename", "renameat"),
        *("renameat2", "symlink", "symlinkat", "truncate", "unlink", "unlinkat", "write", "writev"),
    }
)
_WRITING_FLAGS = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")
# What somebody changed for these ends is written, also where no field says how it was opened.
_WRITING_TACTICS = frozenset({"MITRE_PERSISTENCE", "MITRE_PRIVILEGE_ESCALATION"})
_PATHS = ("fd.name", "evt.arg.path", "evt.arg.name", "evt.arg.newpath", "evt.arg.oldpath")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the fields of an alert say; what they do not is empty or False."""

    call: str  # the system call
    path: str  # of the file it is about
    program: str
    executable: str
    is_written: bool
    is_on_network: bool
    descriptor: str

    @property
    def telling_path(self) -> EventKind | None:
        """What it means that just this file changed; None for a file like any other."""
        kind = kind_of_path(self.path)
        return None if kind is EventKind.FILE_CHANGED else kind


type _Reading = Callable[[_Facts], EventKind | None]


def falco_event_kind(
    rule: str, *, tags: Collection[str] = (), output_fields: Mapping[str, Any] | None = None
) -> EventKind | None:
    """Return what kind of thing an alert tells: by its tags, its fields, or its rule's name."""
    known = {tag.upper() for tag in tags}
    facts = _facts(output_fields or {}, known)
    return _by_tags(known, facts) or _by_fields(facts) or _by_name(rule.strip().lower(), facts)


def _facts(fields: Mapping[str, Any], tags: Collection[str]) -> _Facts:
    call = _word(fields, "evt.type")
    flags = _word(fields, "evt.arg.flags")
    return _Facts(
        call=call,
        path=next((path for name in _PATHS if (path := _word(fields, name))[:1] == "/"), ""),
        program=_word(fields, "proc.name"),
        executable=_word(fields, "proc.exepath"),
        is_written=(
            call in _WRITES
            or _word(fields, "evt.is_open_write").lower() == "true"
            or any(flag in flags for flag in _WRITING_FLAGS)
            or not _WRITING_TACTICS.isdisjoint(tags)
        ),
        is_on_network=_word(fields, "fd.type") in {"ipv4", "ipv6"}
        or _word(fields, "fd.rip") != ""
        or _word(fields, "fd.l4proto") in {"tcp", "udp"},
        descriptor=_word(fields, "fd.num"),
    )


def _word(fields: Mapping[str, Any], name: str) -> str:
    """Return a field as text; Falco writes <NA> for what it could not find out."""
    value = fields.get(name)
    return "" if value is None or value == "<NA>" else str(value).strip()


def _by_tags(tags: Collection[str], facts: _Facts) -> EventKind | None:
    # The longer, the more special: T1053.003 before T1053.
    for tag in sorted(tags, key=lambda one: (-len(one), one)):
        reading = _TECHNIQUES.get(tag) or _TECHNIQUES.get(tag.partition(".")[0])
        if reading is not None and (kind := reading(facts)) is not None:
            return kind
    return None


def _by_fields(facts: _Facts) -> EventKind | None:
    if facts.call in _LOADS_MODULES:
        return EventKind.KERNEL_MODULE_LOADED
    if _is_shell_on_socket(facts):
        return EventKind.SHELL_ON_SOCKET
    if facts.call in _RUNS:
        return _of_program(facts)
    return facts.telling_path if facts.is_written else None


def _of_program(facts: _Facts) -> EventKind | None:
    if facts.program in _MAKES_USERS:
        return EventKind.USER_ADDED
    return EventKind.PROCESS_STARTED if is_in_temporary_folder(facts.executable) else None


def _by_name(name: str, facts: _Facts) -> EventKind | None:
    if name == _MANAGES_USERS:
        return EventKind.USER_ADDED if facts.program in {"", *_MAKES_USERS} else None
    kind = _NAMES.get(name)
    return kind_of_path(facts.path) if kind is EventKind.FILE_CHANGED and facts.path else kind


def _is_shell_on_socket(facts: _Facts) -> bool:
    return (
        facts.call in _REPLACES_DESCRIPTORS
        and facts.is_on_network
        and facts.descriptor in _STANDARD_DESCRIPTORS
    )


def _always(kind: EventKind) -> _Reading:
    return lambda _facts: kind


def _interpreter(facts: _Facts) -> EventKind | None:
    if _is_shell_on_socket(facts) or (facts.is_on_network and facts.program in _SHELLS):
        return EventKind.SHELL_ON_SOCKET
    return _of_program(facts)


def _mining(facts: _Facts) -> EventKind | None:
    is_connection = facts.call in _CONNECTS and facts.is_on_network
    return EventKind.OUTBOUND_CONNECTION if is_connection else EventKind.PROCESS_STARTED


def _read_secret(facts: _Facts) -> EventKind | None:
    is_read = facts.path and not facts.is_written and facts.call not in _RUNS
    return EventKind.HONEYPOT_TOUCHED if is_read else None


def _removed_traces(facts: _Facts) -> EventKind | None:
    is_trace = facts.path.startswith("/var/log/") or facts.path.endswith("_history")
    return EventKind.LOG_SHRUNK if is_trace else None


def _new_account(facts: _Facts) -> EventKind | None:
    return EventKind.USER_ADDED if facts.program in {"", *_MAKES_USERS} else None


def _changed_file(facts: _Facts) -> EventKind | None:
    return kind_of_path(facts.path) if facts.path else None


def _telling_path(facts: _Facts) -> EventKind | None:
    return facts.telling_path


def _boot_code(facts: _Facts) -> EventKind | None:
    return EventKind.KERNEL_MODULE_LOADED if facts.call in _LOADS_MODULES else None


# ATT&CK techniques. One that says too little by itself is read together with the fields.
_TECHNIQUES: dict[str, _Reading] = {
    "MITRE_CREDENTIAL_ACCESS": _read_secret,
    "T1003": _read_secret,
    "T1014": _always(EventKind.KERNEL_MODULE_LOADED),
    "T1036.005": _always(EventKind.BINARY_CHANGED),
    "T1053": _telling_path,
    "T1053.003": _always(EventKind.CRON_CHANGED),
    "T1059": _interpreter,
    "T1070": _removed_traces,
    "T1070.002": _always(EventKind.LOG_SHRUNK),
    "T1070.003": _always(EventKind.LOG_SHRUNK),
    "T1098": _telling_path,
    "T1098.004": _always(EventKind.AUTHORIZED_KEYS_CHANGED),
    "T1136": _new_account,
    "T1496": _mining,
    "T1547": _boot_code,
    "T1547.006": _always(EventKind.KERNEL_MODULE_LOADED),
    "T1548.003": _always(EventKind.SUDOERS_CHANGED),
    "T1552": _read_secret,
    "T1554": _always(EventKind.BINARY_CHANGED),
    "T1555": _read_secret,
    "T1565": _changed_file,
    "T1574.006": _always(EventKind.PRELOAD_CHANGED),
    "T1620": _always(EventKind.PROCESS_STARTED),
}
