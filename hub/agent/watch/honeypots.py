"""Watches files that nobody has a reason to open.

inotify tells of each opening at once, whatever the mount does about access times; while the agent
is not running, the access time is all there is, and it is compared at the next start.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from hub.agent.configuration import HoneypotSettings
from hub.agent.watch import inotify
from hub.agent.watch.host import Host, is_there
from hub.agent.watch.inotify import Inotify, Touch
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.planting import plant
from hub.agent.watch.procs import Opener, openers_of
from hub.agent.watch.watcher import Look, Memory
from hub.detections.events import EventKind

_log = structlog.get_logger(__name__)
_HINT = "`sudo monsys agent plant` makes missing ones; the service does so when it starts"
_WORDS = (
    (inotify.MODIFY, "written"),
    (inotify.DELETE_SELF, "deleted"),
    (inotify.MOVE_SELF, "moved"),
    (inotify.ACCESS, "read"),
    (inotify.OPEN, "opened"),
    (inotify.ATTRIBUTES, "changed in its attributes"),
)


class HoneypotWatcher:
    """Tells of every touch of the configured files."""

    name = "honeypots"
    every_seconds = 2.0

    def __init__(self, settings: HoneypotSettings, host: Host) -> None:
        self._settings = settings
        self._host = host
        self._inotify: Inotify | None = None
        self._troubles: dict[str, str] = {}  # said once, not at every look

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Return what was touched since the last look; a missing honeypot is made anew."""
        before: dict[str, Any] = {} if memory is None else memory["times"]
        is_starting = self._inotify is None
        watching = self._inotify = self._inotify or Inotify()
        touches = _by_path(watching.read())
        events = [self._touched(path, mask, now) for path, mask in touches.items()]
        for path, mask in touches.items():
            if mask & inotify.GONE:
                watching.forget(path)
        if is_starting:
            events += [
                event for path in before if (event := self._read_meanwhile(path, before, now))
            ]
        self._watch_all(watching)
        times = {path: times for path in self._settings.paths if (times := self._times(path))}
        return Look(events, {"times": times})

    def close(self) -> None:
        """Watch nothing any more."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _watch_all(self, watching: Inotify) -> None:
        for path in self._settings.paths:
            here = self._host.path(path)
            if str(here) in watching.watched:
                continue
            try:
                if self._settings.is_planted and not is_there(here):
                    plant(here)
                watching.watch(str(here))
            except OSError as error:
                self._note_trouble(path, error.strerror or type(error).__name__)
            else:
                self._troubles.pop(path, None)

    def _note_trouble(self, path: str, reason: str) -> None:
        if self._troubles.get(path) != reason:
            self._troubles[path] = reason
            _log.warning("honeypot_not_watched", path=path, reason=reason, hint=_HINT)

    def _touched(self, here: str, mask: int, now: datetime) -> ObservedEvent:
        path = self._host.name(Path(here))
        words = [word for bit, word in _WORDS if mask & bit]
        openers = openers_of(here, proc=self._host.proc)
        return _event(path, now, words, openers)

    def _read_meanwhile(
        self, path: str, before: dict[str, Any], now: datetime
    ) -> ObservedEvent | None:
        times = self._times(path)
        if times == before[path] or path not in self._settings.paths:
            return None
        if times is None:
            return _event(path, now, ["deleted"], [])
        at = datetime.fromtimestamp(max(times) / 1e9, UTC)
        return _event(path, min(at, now), ["touched while the agent was not running"], [])

    def _times(self, path: str) -> list[int] | None:
        try:
            stat = self._host.path(path).stat()
        except OSError:
            return None
        return [stat.st_atime_ns, stat.st_mtime_ns]


def _by_path(touches: Iterable[Touch]) -> dict[str, int]:
    """Return what happened to each file: opening, reading and closing are one touch."""
    masks: dict[str, int] = {}
    for touch in touches:
        masks[touch.path] = masks.get(touch.path, 0) | touch.mask
    return {path: mask for path, mask in masks.items() if mask & inotify.TOUCHED}


def _event(path: str, at: datetime, words: list[str], openers: list[Opener]) -> ObservedEvent:
    opener = openers[0] if openers else None
    by = f" by {opener.process} ({opener.user})" if opener else ""
    return ObservedEvent(
        kind=EventKind.HONEYPOT_TOUCHED,
        at=at,
        summary=f"The honeypot {path} was {', '.join(words)}{by}",
        path=path,
        user=opener.user if opener else None,
        process=opener.process if opener else None,
        command=opener.command if opener else None,
        details={"touch": ", ".join(words)},
    )
