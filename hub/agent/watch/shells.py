"""Finds shells that take their commands from a connection instead of a terminal or a file."""

import os
from dataclasses import dataclass
from pathlib import Path

from hub.agent.watch.procs import name_of, parent_of
from hub.agent.watch.sockets import sockets_by_inode

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "busybox", "fish", "csh",
                     "tcsh"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShellSocket:
    """The connection behind a shell."""

    family: str  # tcp, udp, unix or unknown
    remote_address: str
    remote_port: int
    parent: str


def is_shell(path: str) -> bool:
    """Tell whether this program is a shell."""
    return os.path.basename(path) in _SHELLS  # noqa: PTH119 - hot path


def socket_behind(proc: Path, pid: int) -> ShellSocket | None:
    """Return the connection that is the shell's input, or None.

    A local (unix) socket is none: that is how terminals, `sshd` without one, and container
    runtimes talk to shells. Whoever waits on the network for a shell's words is at a TCP or UDP
    socket.
    """
    inode = _socket_inode(proc, pid, 0)
    if inode is None:
        return None
    socket = sockets_by_inode(proc, pid).get(inode)
    if socket is None:
        return None
    return ShellSocket(
        socket.protocol,
        socket.remote_address,
        socket.remote_port,
        name_of(proc, parent_of(proc, pid)),
    )


def _socket_inode(proc: Path, pid: int, descriptor: int) -> int | None:
    try:
        target = os.readlink(f"{proc}/{pid}/fd/{descriptor}")  # noqa: PTH115 - hot path
    except OSError:
        return None
    if not target.startswith("socket:["):
        return None
    return int(target[8:-1])
