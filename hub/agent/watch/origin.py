"""Who wrote an entry of the journal: what journald itself says of it, not what the entry says.

Anybody may log in the name of sshd (`logger -t sshd`). Fields that begin with an underscore are
journald's own, which it has from the kernel: `_UID`, `_EXE`, `_COMM`, `_SYSTEMD_UNIT` and others.

Only root's word is taken, and of programs that speak of logins only their own. sudo and su are
started by the people whom they speak of, and may log before they have become root; of them the
program is asked for, and `AuthenticationWatcher` holds what they say against who ran them. (The
program of a process that is not root's may have been exchanged since it logged.)
"""

from typing import Any

# The names that are logged under, and the programs that log so. Before OpenSSH 9.8 all was sshd.
_SSH_SERVERS = frozenset({"sshd", "sshd-session", "sshd-auth"})
_SUDO = frozenset({"sudo", "sudo-rs", "sudo.ws"})
_PROGRAMS = {
    **dict.fromkeys(_SSH_SERVERS, _SSH_SERVERS),
    "sudo": _SUDO,
    "sudo-rs": _SUDO,
    "su": frozenset({"su"}),
}
_SSH_UNITS = ("ssh", "sshd")  # of Debian, and of everybody else
_STARTED_BY_ANYBODY = frozenset({"sudo", "sudo-rs", "su"})
# Folders in which only root can put a program; people's own are elsewhere.
_FOLDERS_OF_ROOT = ("/usr/", "/bin/", "/sbin/", "/nix/store/", "/run/wrappers/", "/gnu/store/")
_TRANSPORTS = frozenset({"syslog", "journal", "stdout"})
_ROOT = "0"


def is_genuine(entry: dict[str, Any], program: str) -> bool:
    """Tell whether the entry is from the program that it says it is from."""
    if entry.get("_TRANSPORT") not in _TRANSPORTS:  # `audit` and `kernel` repeat what others say
        return False
    uid, expected = entry.get("_UID"), _PROGRAMS.get(program)
    path = str(entry.get("_EXE", "")).removesuffix(" (deleted)")  # it was upgraded meanwhile
    name = path.rpartition("/")[2]
    if uid == _ROOT:
        if expected is None or _is_of_ssh_server(entry, expected):
            return True
        # Of a process that is gone already, journald knows no more than whose it was.
        return (name or str(entry.get("_COMM", program))) in expected
    is_theirs = expected is not None and name in expected
    return program in _STARTED_BY_ANYBODY and is_theirs and path.startswith(_FOLDERS_OF_ROOT)


def runners_of(entry: dict[str, Any]) -> frozenset[int]:
    """Return the account that ran the program, and the one that had logged in; none for root.

    Within a shell of su, su itself speaks of who had logged in.
    """
    if entry.get("_UID") == _ROOT:
        return frozenset()
    ids = (entry.get("_UID"), entry.get("_AUDIT_LOGINUID"))
    return frozenset(int(uid) for uid in ids if isinstance(uid, str) and uid.isdecimal())


def _is_of_ssh_server(entry: dict[str, Any], expected: frozenset[str]) -> bool:
    """Tell whether it is from the unit of the SSH server, whatever its program is called there."""
    unit = str(entry.get("_SYSTEMD_UNIT", "")).removesuffix(".service").partition("@")[0]
    return expected is _SSH_SERVERS and unit in _SSH_UNITS
