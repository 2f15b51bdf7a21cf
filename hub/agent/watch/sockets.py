"""The kernel's tables of sockets: what listens, and what talks to whom."""

import ipaddress
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

_MAX_LINES = 20_000
_STEP = -1 if sys.byteorder == "little" else 1
_LISTENING, _ESTABLISHED, _CONNECTING, _UNCONNECTED = "0A", "01", "02", "07"
_ALL = frozenset({_LISTENING, _ESTABLISHED, _CONNECTING, _UNCONNECTED})
_DEFAULT_EPHEMERAL = (32_768, 60_999)


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket of the host's own network namespace."""

    protocol: str  # tcp, udp
    address: str
    port: int
    remote_address: str
    remote_port: int
    state: str
    inode: int


def listening_sockets(proc: Path) -> list[Socket]:
    """Return what accepts connections, and what takes datagrams on a port that is no client's."""
    first, last = ephemeral_ports(proc)
    tcp = list(_sockets(proc, "tcp", {_LISTENING}))
    udp = _sockets(proc, "udp", {_UNCONNECTED})
    return tcp + [socket for socket in udp if not first <= socket.port <= last]


def outgoing_sockets(proc: Path) -> list[Socket]:
    """Return connections that this host made: those that came in are at a port that listens."""
    served = {socket.port for socket in _sockets(proc, "tcp", {_LISTENING})}
    talking = _sockets(proc, "tcp", {_ESTABLISHED, _CONNECTING})
    return [socket for socket in talking if socket.port not in served]


def sockets_by_inode(proc: Path, pid: int) -> dict[int, Socket]:
    """Return the sockets of this process's own namespace, which may be a container's."""
    tables = proc / str(pid) / "net"
    return {
        socket.inode: socket
        for protocol in ("tcp", "udp")
        for socket in _sockets_in(tables, protocol, _ALL)
    }


def ephemeral_ports(proc: Path) -> tuple[int, int]:
    """Return the range from which the kernel gives ports to clients."""
    try:
        text = (proc / "sys/net/ipv4/ip_local_port_range").read_text("ascii")
        first, last = map(int, text.split())
    except (OSError, ValueError):
        return _DEFAULT_EPHEMERAL
    return first, last


def _sockets(proc: Path, protocol: str, states: AbstractSet[str]) -> Iterator[Socket]:
    return _sockets_in(_tables(proc), protocol, states)


def _sockets_in(tables: Path, protocol: str, states: AbstractSet[str]) -> Iterator[Socket]:
    for table in (protocol, f"{protocol}6"):
        try:
            with (tables / table).open(encoding="ascii") as file:
                next(file, None)
                for _, line in zip(range(_MAX_LINES), file, strict=False):
                    fields = line.split()
                    if fields[3] not in states:
                        continue  # most of a busy server's table is connections that are over
                    address, port = _endpoint(fields[1])
                    remote_address, remote_port = _endpoint(fields[2])
                    yield Socket(
                        protocol, address, port, remote_address, remote_port, fields[3],
                        int(fields[9]),
                    )  # fmt: skip
        except (OSError, ValueError, IndexError):
            continue


def _tables(proc: Path) -> Path:
    """Return our own namespace's tables, or init's when the host is seen from a container."""
    of_init = proc / "1/net"
    return of_init if proc != Path("/proc") and of_init.exists() else proc / "net"


def _endpoint(text: str) -> tuple[str, int]:
    """Return address and port; the kernel prints addresses as words in the machine's byte order."""
    words, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(words[i : i + 8])[::_STEP] for i in range(0, len(words), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)
