"""Watches that logs only grow: lines that were written and are gone were taken away."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hub.agent.watch.host import Host
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.rotation import Part, older_parts, part_at
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

# A log that is rotated away is made anew within a moment, or there is nothing more to log.
_MAX_MISSING_LOOKS = 3


class LogFileWatcher(Resting):
    """Tells of a log that became shorter, or vanished, without having been rotated."""

    name = "log_files"
    every_seconds = 5.0

    def __init__(self, paths: Sequence[str], host: Host) -> None:
        self._paths = paths
        self._host = host

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Compare each log's size with the last look's."""
        before: dict[str, Any] = {} if memory is None else memory["logs"]
        after: dict[str, Any] = {}
        events = []
        for path in self._paths:
            here = self._host.path(path)
            part, older = part_at(here), older_parts(here)
            old = before.get(path)
            if old is not None and (word := _loss(old, part, older)):
                events.append(_event(path, word, old["size"], part, now))
                old = None
            state = _state(old, part, older)
            if state is not None:
                after[path] = state
        return Look(events, {"logs": after})


def _state(
    old: dict[str, Any] | None, part: Part | None, older: list[Part]
) -> dict[str, Any] | None:
    known = [list(each.identity) for each in older]
    if part is not None:
        return {"identity": list(part.identity), "size": part.size, "known": known, "missing": 0}
    if old is None or old["missing"] >= _MAX_MISSING_LOOKS:
        return None
    return old | {"missing": old["missing"] + 1}


def _loss(old: dict[str, Any], part: Part | None, older: list[Part]) -> str | None:
    """Return how lines were lost; None when they were not, or not for certain yet."""
    if old["size"] == 0 or _was_rotated(old, older):
        return None
    if part is None:
        return "deleted" if old["missing"] >= _MAX_MISSING_LOOKS else None
    if part.size < old["size"]:
        return "emptied" if part.size == 0 else "shortened"
    return None


def _was_rotated(old: dict[str, Any], older: list[Part]) -> bool:
    """Tell whether a part came that was not there: the log itself, its copy, or both compressed."""
    known = {tuple(identity) for identity in old["known"]}
    return any(part.identity not in known for part in older)


def _event(path: str, word: str, size: int, part: Part | None, now: datetime) -> ObservedEvent:
    return ObservedEvent(
        kind=EventKind.LOG_SHRUNK,
        at=now,
        summary=f"{path} was {word} without having been rotated",
        path=path,
        details={
            "change": word,
            "bytes_before": str(size),
            "bytes_now": str(part.size if part else 0),
        },
    )
