"""An agent in a test's hands: its clock, its host and, where wanted, its hub."""

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.agent.client import Answer
from hub.agent.runner import Agent
from hub.agent.spool import Spool

ACCEPTED = Answer(status=202)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.seconds = start

    def now(self) -> float:
        """Return seconds since 1970; they serve as monotonic time as well."""
        return self.seconds

    def iso(self) -> str:
        """Return the moment as it stands in reports."""
        return datetime.fromtimestamp(self.seconds, UTC).isoformat()


@dataclass
class Host:
    """What the agent reports and sees: one CPU figure, and events when the test says so."""

    clock: Clock
    made: list[str] = field(default_factory=list)
    inventories: int = 0
    pending: list[dict[str, Any]] = field(default_factory=list)
    is_inventory_due: bool = False

    def report(self) -> dict[str, Any]:
        """Return a report of this moment, with the inventory when it is due."""
        self.made.append(self.clock.iso())
        report: dict[str, Any] = {"at": self.made[-1], "figures": {"cpu_percent": 1.0}}
        if self.is_inventory_due:
            self.is_inventory_due = False
            self.inventories += 1
            report["packages"] = []
        return report

    def forget_inventory(self) -> None:
        """Have the next report bring the inventory."""
        self.is_inventory_due = True

    def happen(self, *names: str) -> None:
        """Let events happen."""
        self.pending += [
            {
                "id": name,
                "kind": "auth_failure",
                "at": self.clock.iso(),
                "summary": "Failed password",
                "user": "root",
                "source_address": "203.0.113.5",
            }
            for name in names
        ]

    def poll(self) -> list[dict[str, Any]]:
        """Return what happened and is not taken."""
        return list(self.pending)

    def taken(self) -> None:
        """Forget what happened."""
        self.pending.clear()

    def close(self) -> None:
        """Do nothing."""


@dataclass
class FakeHub:
    """A hub that answers as it is told, and remembers what it accepted."""

    answer: Callable[[dict[str, Any]], Answer] = lambda _: ACCEPTED
    asked: int = 0
    reports: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def post(self, _path: str, body: bytes) -> Answer:
        """Take a request as the agent's client would send it."""
        self.asked += 1
        told = json.loads(body)
        answer = self.answer(told)
        if answer.is_accepted:
            self.bodies.append(told)
            self.reports.append(told["at"])
            self.events += [event["id"] for event in told.get("events", [])]
        return answer


@dataclass
class Scene:
    """One agent, and turns of it."""

    folder: Path
    clock: Clock
    host: Host
    hub: Any
    spool: Spool | None = None

    def __post_init__(self) -> None:
        # An agent tidies its memory at each turn; it need not look through that of the tests.
        gc.freeze()
        self.start()

    def start(self) -> None:
        """Start the agent, anew if one ran before: as after a stop or a kill."""
        self.agent = Agent(
            self.folder,
            self.hub,
            interval_seconds=15,
            reports=self.host,
            events=self.host,
            spool=self.spool,
            now=self.clock.now,
            monotonic=self.clock.now,
        )

    def run(self, seconds: float) -> None:
        """Let the agent live for this long."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.clock.seconds += max(self.agent.turn(), 0.01)
