"""What a watcher is: it looks, says what is new, and says what it wants to remember."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hub.agent.watch.observed import ObservedEvent

# What a watcher remembers from one look to the next, as JSON: it outlives the process.
type Memory = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look brought: events, oldest first, and the memory for the next look."""

    events: Sequence[ObservedEvent]
    memory: Memory
    has_more: bool = False  # there was more than one look may take: look again at once


class Watcher(Protocol):
    """Watches one kind of thing.

    A look with the same memory at the same host brings the same events, so one that failed is
    simply repeated. Without a memory it is the first look ever: what is there then is the
    baseline and no news.
    """

    name: str
    every_seconds: float

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        """Return what is new since the look that left this memory."""
        ...

    def close(self) -> None:
        """Let go of what the watcher holds open."""
        ...


class Resting:
    """A watcher that holds nothing open between its looks."""

    def close(self) -> None:
        """Do nothing."""
