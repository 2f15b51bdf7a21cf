"""Watches that logs only grow: lines that were written and are gone were taken away.

That a log was rotated is not believed because some file appeared beside it (`touch auth.log.9`):
what was in the log must be found again, under another name, as a copy, or compressed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hub.agent.watch.first_bytes import FIRST_BYTES, can_unpack, digest_of_first
from hub.agent.watch.host import Host
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.rotation import Part, new_parts, older_parts, part_at
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.detections.events import EventKind

# A log that is rotated away is made anew within a moment, or there is nothing more to log.
_MAX_MISSING_LOOKS = 3
# Who was away longer may find that the log was rotated out of all its parts.
_AWAY_SECONDS = 600.0


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
            if old is not None and (word := _loss(old, part, older, now.timestamp())):
                events.append(_event(path, word, old["size"], part, now))
                old = None
            state = _state(old, part, older, now.timestamp())
            if state is not None:
                after[path] = state
        return Look(events, {"logs": after})


def _state(
    old: dict[str, Any] | None, part: Part | None, older: list[Part], now: float
) -> dict[str, Any] | None:
    if part is not None:
        return {
            "identity": list(part.identity),
            "size": part.size,
            "head": digest_of_first(part, min(part.size, FIRST_BYTES)),
            "known": [list(each.identity) for each in older],
            "missing": 0,
            "at": now,
        }
    if old is None or old["missing"] >= _MAX_MISSING_LOOKS:
        return None
    return old | {"missing": old["missing"] + 1}


def _loss(old: dict[str, Any], part: Part | None, older: list[Part], now: float) -> str | None:
    """Return how lines were lost; None when they were not, or not for certain yet."""
    if old["size"] == 0 or (part is not None and part.size >= old["size"]):
        return None
    if part is None and old["missing"] < _MAX_MISSING_LOOKS:
        return None
    if _was_rotated(old, part, older, now):
        return None
    if part is None:
        return "deleted"
    return "emptied" if part.size == 0 else "shortened"


def _was_rotated(old: dict[str, Any], part: Part | None, older: list[Part], now: float) -> bool:
    """Tell whether what the log held is in one of its older parts."""
    renamed = [each for each in older if list(each.identity) == old["identity"]]
    if renamed:
        return any(each.size >= old["size"] for each in renamed)
    since = old.get("at", now)
    new = new_parts(older, old["known"], since=0.0)
    if new and now - since > _AWAY_SECONDS:
        return True
    head = old.get("head")
    if head is None:  # it may not be read: then its direct successor must be as long as it was
        return any(each.is_compressed or each.size >= old["size"] for each in new[-1:])
    if part is not None and _begins_with(part, old):  # it goes on, with fewer lines
        return False
    return any(_is_what_was(old, each) for each in older) or _is_unreadable_successor(new)


def _is_what_was(old: dict[str, Any], part: Part) -> bool:
    """Tell whether the part is a copy of the log, of all of it; packed, only its begin is seen."""
    if part.is_compressed and list(part.identity) in old["known"]:
        return False
    return (part.is_compressed or part.size >= old["size"]) and _begins_with(part, old)


def _begins_with(part: Part, old: dict[str, Any]) -> bool:
    return digest_of_first(part, min(int(old["size"]), FIRST_BYTES)) == str(old["head"])


def _is_unreadable_successor(new: list[Part]) -> bool:
    """Tell whether the log's direct successor is packed in a way that we cannot unpack."""
    return any(part.is_compressed and part.size > 0 and not can_unpack(part) for part in new[-1:])


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
