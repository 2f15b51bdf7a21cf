"""Watches what is loaded into the kernel."""

import platform
import re
from datetime import datetime

from hub.agent.watch.host import Host, text_of
from hub.agent.watch.known import Known
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

_MAX_EVENTS = 100
_FOREIGN = frozenset("OE")  # out of tree, unsigned


class KernelModuleWatcher(Resting):
    """Tells of a module that was not loaded at the last look.

    A module that comes and goes is told each time that it comes back with another taint or
    another source; the same one again is no news.
    """

    name = "kernel_modules"
    every_seconds = 5.0

    def __init__(self, host: Host, *, release: str | None = None) -> None:
        self._host = host
        self._release = release or platform.release()

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Compare the modules with all that were ever loaded."""
        known = Known(memory["known"] if memory else ())
        text = text_of(self._host.proc / "modules") or ""
        loaded = [line.split() for line in text.splitlines()]
        new = [
            (fields[0], _taint(fields))
            for fields in loaded
            if fields and known.is_new(f"{fields[0]} {_taint(fields)}{self._source(fields[0])}")
        ]
        events = [] if memory is None else [self._event(*module, now) for module in new]
        return Look(events[:_MAX_EVENTS], {"known": known.memory()})

    def _source(self, name: str) -> str:
        """Return the checksum of the module's source, which its build put in."""
        return (self._host.text(f"/sys/module/{name}/srcversion") or "").strip()

    def _event(self, name: str, taint: str, now: datetime) -> ObservedEvent:
        path = self._path_of(name)
        is_in_tree = path is not None and not _FOREIGN & set(taint)
        return ObservedEvent(
            kind=EventKind.KERNEL_MODULE_LOADED,
            at=now,
            summary=f"The kernel module {name} was loaded",
            process=name,
            path=path,
            details={
                "in_tree": "yes" if is_in_tree else "no",
                "signed": "no" if "E" in taint else "unknown",
                "taint": taint or "none",
            },
        )

    def _path_of(self, name: str) -> str | None:
        """Return the file that belongs to the running kernel, if it has a module of this name."""
        folder = f"/lib/modules/{self._release}"
        listing = self._host.text(f"{folder}/modules.dep", max_bytes=16 << 20) or ""
        pattern = re.escape(name).replace("_", "[-_]")
        match = re.search(rf"^(\S*/{pattern}\.ko(?:\.\w+)?):", listing, re.MULTILINE)
        return f"{folder}/{match[1]}" if match else None


def _taint(fields: list[str]) -> str:
    last = fields[-1]
    return last.strip("()") if last.startswith("(") else ""
