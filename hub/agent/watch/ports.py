"""Watches what accepts connections."""

import ipaddress
from datetime import datetime

from hub.agent.watch.host import Host
from hub.agent.watch.known import Known
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.procs import Opener, opener, socket_owners
from hub.agent.watch.sockets import Socket, listening_sockets
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_MAX_EVENTS = 50


class PortWatcher(Resting):
    """Tells of a port on which nothing listened before, or not to others than this host."""

    name = "ports"
    every_seconds = 15.0

    def __init__(self, host: Host) -> None:
        self._proc = host.proc

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Compare what listens with all that ever listened."""
        known = Known(memory["known"] if memory else ())
        new = [socket for socket in listening_sockets(self._proc) if known.is_new(_key(socket))]
        events = [] if memory is None else self._events(new[:_MAX_EVENTS], now)
        return Look(events, {"known": known.memory()})

    def _events(self, sockets: list[Socket], now: datetime) -> list[ObservedEvent]:
        owners = socket_owners(self._proc, {socket.inode for socket in sockets})
        return [
            _event(socket, opener(self._proc, owners[socket.inode]), now)
            if socket.inode in owners
            else _event(socket, None, now)
            for socket in sockets
        ]


def is_loopback(address: str) -> bool:
    """Tell whether only this host itself reaches the address."""
    return ipaddress.ip_address(address).is_loopback


def _key(socket: Socket) -> str:
    reach = "loopback" if is_loopback(socket.address) else "network"
    return f"{socket.protocol} {socket.port} {reach}"


def _event(socket: Socket, owner: Opener | None, now: datetime) -> ObservedEvent:
    by = f" ({owner.process})" if owner else ""
    return ObservedEvent(
        kind=EventKind.PORT_OPENED,
        at=now,
        summary=f"Port {socket.port}/{socket.protocol} accepts connections on {socket.address}{by}",
        port=socket.port,
        protocol=socket.protocol,
        process=owner.process if owner else None,
        command=owner.command if owner else None,
        user=owner.user if owner else None,
        details={
            "address": socket.address,
            "loopback": "yes" if is_loopback(socket.address) else "no",
        },
    )
