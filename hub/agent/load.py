"""Events on their way: the oldest that wait on disk, as many as one report may carry."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from hub.agent.spool import Entry, Kind, Spool

MAX_EVENTS = 1_000  # what the hub takes in one report
_MAX_BYTES = 1_000_000

type Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Part:
    """Of one entry: what is sent now, and what stays for later."""

    entry: Entry
    sent: list[Event]
    kept: list[Event]


@dataclass(frozen=True, slots=True)
class Load:
    """Events for one report, and where they are to be forgotten once the hub has them."""

    parts: Sequence[_Part]

    @classmethod
    def oldest(cls, spool: Spool, *, limit: int = MAX_EVENTS) -> Self:
        """Take the oldest events; they stay in the spool until they are acknowledged."""
        parts: list[_Part] = []
        left, left_bytes = limit, _MAX_BYTES
        for entry in spool.entries(Kind.EVENTS):
            # An entry that is larger than a load goes alone, so that nothing waits for ever.
            if left == 0 or (parts and entry.size > left_bytes):
                break
            content = spool.read(entry)
            if content is None:
                continue
            events = json.loads(content)
            parts.append(_Part(entry, events[:left], events[left:]))
            left -= len(parts[-1].sent)
            left_bytes -= entry.size
        return cls(parts)

    @property
    def events(self) -> list[Event]:
        """The events, oldest first."""
        return [event for part in self.parts for event in part.sent]

    def acknowledge(self, spool: Spool) -> None:
        """Forget the events: the hub has them, or they are set aside."""
        for part in self.parts:
            if part.kept:
                spool.shorten(part.entry, encoded(part.kept))
            else:
                spool.remove(part.entry)


def encoded(value: Any) -> bytes:
    """Return JSON as it is stored and sent."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
