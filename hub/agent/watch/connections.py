"""Watches to whom programs of this host talk."""

import ipaddress
from collections import Counter
from dataclasses import replace
from datetime import datetime

from hub.agent.configuration import ConnectionSettings
from hub.agent.watch.host import Host
from hub.agent.watch.known import Known
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.procs import Opener, executable_of, opener, socket_owners
from hub.agent.watch.sockets import Socket, outgoing_sockets
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_MAX_EVENTS_A_PROGRAM = 10
_NOBODY = Opener(0, "", "", "")


class ConnectionWatcher(Resting):
    """Tells of a connection to an address and port to which the program never talked before."""

    name = "connections"
    every_seconds = 10.0

    def __init__(self, settings: ConnectionSettings, host: Host) -> None:
        self._settings = settings
        self._proc = host.proc
        # Sockets whose owner was looked up: that takes a walk over all open files.
        self._seen: set[int] = set()

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Look up who made the connections that are new, and whether that is news."""
        known = Known(memory["known"] if memory else ())
        outgoing = [socket for socket in outgoing_sockets(self._proc) if self._is_told(socket)]
        fresh = [socket for socket in outgoing if socket.inode not in self._seen]
        self._seen = {socket.inode for socket in outgoing}
        owners = socket_owners(self._proc, {socket.inode for socket in fresh if socket.inode})
        events, told = [], Counter[str]()
        for socket in fresh:
            pid = owners.get(socket.inode)
            owner = _NOBODY if pid is None else opener(self._proc, pid)
            if known.is_new(f"{owner.process} {socket.remote_address} {socket.remote_port}"):
                told[owner.process] += 1
                if told[owner.process] <= _MAX_EVENTS_A_PROGRAM and memory is not None:
                    events.append(self._event(socket, owner, now))
        return Look(_counted(events, told), {"known": known.memory()})

    def _is_told(self, socket: Socket) -> bool:
        address = ipaddress.ip_address(socket.remote_address)
        if address.is_loopback or address.is_link_local or address.is_unspecified:
            return False
        if self._settings.is_private_ignored and address.is_private:
            return False
        return not any(
            address in network
            for network in self._settings.ignored_networks
            if network.version == address.version
        )

    def _event(self, socket: Socket, owner: Opener, now: datetime) -> ObservedEvent:
        executable = executable_of(self._proc, owner.pid) if owner.pid else None
        return ObservedEvent(
            kind=EventKind.OUTBOUND_CONNECTION,
            at=now,
            summary=f"{owner.process or 'A program'} talks to"
            f" {socket.remote_address} port {socket.remote_port}",
            source_address=socket.remote_address,
            port=socket.remote_port,
            protocol=socket.protocol,
            process=owner.process or None,
            path=executable.path if executable else None,
            command=owner.command or None,
            user=owner.user or None,
        )


def _counted(events: list[ObservedEvent], told: Counter[str]) -> list[ObservedEvent]:
    """Let the last event of a program that talks to very many say how many more there were."""
    last = {event.process or "": index for index, event in enumerate(events)}
    for process, index in last.items():
        more = told[process] - _MAX_EVENTS_A_PROGRAM
        if more > 0:
            details = {"further_destinations": str(more)}
            events[index] = replace(events[index], count=1 + more, details=details)
    return events
