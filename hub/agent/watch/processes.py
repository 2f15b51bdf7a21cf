"""Watches running programs for what honest ones seldom do."""

from collections.abc import Iterator
from datetime import datetime

from hub.agent.configuration import ProcessSettings
from hub.agent.watch.host import Host, text_of
from hub.agent.watch.observed import ObservedEvent, digest_of
from hub.agent.watch.procs import (
    Executable,
    command_of,
    environment_value,
    executable_of,
    name_of,
    parent_of,
    process_ids,
    started_at_ticks,
    user_of,
)
from hub.agent.watch.shells import is_shell, socket_behind
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_MAX_EVENTS = 100
_MAX_KNOWN_PRELOADS = 500
_MAX_VALUE = 4_000  # of a variable that a program's starter chose
# What gives a command line away, whatever the program is called: a miner names its pool's protocol,
# and bash opens connections under these paths.
_TELLTALES = ("stratum+", "stratum1+", "stratum2+", "/dev/tcp/", "/dev/udp/")


class ProcessWatcher(Resting):
    """Tells of programs from temporary folders or from memory, shells on sockets, preloads.

    These are told at the first look as well: there are few, and none is anybody's baseline. A
    process is looked at when it is new, and when it turns into another program.
    """

    name = "processes"
    every_seconds = 4.0

    def __init__(self, settings: ProcessSettings, host: Host) -> None:
        self._folders = tuple(f"{folder.rstrip('/')}/" for folder in settings.temporary_folders)
        self._proc = host.proc
        self._boot = (text_of(self._proc / "sys/kernel/random/boot_id") or "").strip()
        self._seen: dict[int, tuple[int, int, int, int]] = {}
        self._shells: set[int] = set()

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Look at the processes that began, or became another program, since the last look."""
        preloads: list[str] = [] if memory is None else list(memory["preloads"])
        events: list[ObservedEvent] = []
        seen = {}
        for pid in process_ids(self._proc):
            executable = executable_of(self._proc, pid)
            if executable is None:
                continue
            seen[pid] = executable.identity
            if self._seen.get(pid) != executable.identity:
                self._note_shell(pid, executable)
                events += self._about(pid, executable, now)
                events += self._preload(pid, executable, preloads, now)
        self._seen = seen
        self._shells &= seen.keys()
        events += [event for pid in sorted(self._shells) if (event := self._shell(pid, now))]
        return Look(events[:_MAX_EVENTS], {"preloads": preloads[-_MAX_KNOWN_PRELOADS:]})

    def _note_shell(self, pid: int, executable: Executable) -> None:
        if is_shell(executable.path):
            self._shells.add(pid)
        else:
            self._shells.discard(pid)

    def _about(self, pid: int, executable: Executable, now: datetime) -> Iterator[ObservedEvent]:
        command = command_of(self._proc, pid)
        details = {}
        if executable.is_in_memory:
            details["from"] = "memory"
        elif executable.path.startswith(self._folders):
            details["from"] = "temporary folder"
        elif any(telltale in command for telltale in _TELLTALES):
            details["from"] = "command line"
        if details:
            details["parent"] = name_of(self._proc, parent_of(self._proc, pid))
            yield ObservedEvent(
                kind=EventKind.PROCESS_STARTED,
                at=now,
                summary=f"{executable.path} runs",
                key=self._key(pid, executable),
                process=name_of(self._proc, pid),
                path=executable.shown_path,
                command=command,
                user=user_of(self._proc, pid),
                details=details,
            )

    def _shell(self, pid: int, now: datetime) -> ObservedEvent | None:
        socket = socket_behind(self._proc, pid)
        if socket is None:
            return None
        self._shells.discard(pid)  # told once
        name = name_of(self._proc, pid)
        return ObservedEvent(
            kind=EventKind.SHELL_ON_SOCKET,
            at=now,
            summary=f"The shell {name} reads its commands from a connection",
            key=digest_of(self._boot, pid, started_at_ticks(self._proc, pid)),
            source_address=socket.remote_address or None,
            port=socket.remote_port or None,
            process=name,
            command=command_of(self._proc, pid),
            user=user_of(self._proc, pid),
            details={"parent": socket.parent, "socket": socket.family},
        )

    def _preload(
        self, pid: int, executable: Executable, known: list[str], now: datetime
    ) -> Iterator[ObservedEvent]:
        value = (environment_value(self._proc, pid, "LD_PRELOAD") or "")[:_MAX_VALUE]
        what = digest_of(executable.path, value)
        if not value or what in known:
            return
        known.append(what)
        yield ObservedEvent(
            kind=EventKind.PRELOAD_CHANGED,
            at=now,
            summary=f"{executable.path} runs with {value} preloaded",
            key=self._key(pid, executable),
            process=name_of(self._proc, pid),
            path=value,
            command=command_of(self._proc, pid),
            user=user_of(self._proc, pid),
            details={
                "from": "environment",
                "library": value,
                "executable": executable.path,
                "parent": name_of(self._proc, parent_of(self._proc, pid)),
            },
        )

    def _key(self, pid: int, executable: Executable) -> str:
        return digest_of(self._boot, pid, started_at_ticks(self._proc, pid), executable.path)
