"""What accepts connections, and which program does."""

from typing import Any

from hub.agent.watch.host import Host
from hub.agent.watch.observed import one_line
from hub.agent.watch.procs import name_of, socket_owners, user_of
from hub.agent.watch.sockets import listening_sockets

_MAX_LISTENERS = 500


def read_listeners(host: Host) -> list[dict[str, Any]]:
    """Return each address and port that accepts connections, once, with its program."""
    sockets = listening_sockets(host.proc)
    owners = socket_owners(host.proc, {socket.inode for socket in sockets})
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for socket in sorted(sockets, key=lambda each: (each.port, each.protocol, each.address)):
        pid = owners.get(socket.inode)
        found.setdefault(
            (socket.protocol, socket.address, socket.port),
            {
                "protocol": socket.protocol,
                "address": socket.address,
                "port": socket.port,
                "process": one_line(name_of(host.proc, pid), 64) if pid else "",
                "user": one_line(user_of(host.proc, pid), 64) if pid else "",
            },
        )
    return list(found.values())[:_MAX_LISTENERS]
