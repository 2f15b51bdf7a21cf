"""The agent's life: look, report, wait, until it is told to stop."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog

from hub.agent.client import INGEST_PATH, AgentError, Answer, HubClient
from hub.agent.delivery import Delivery, Outcome
from hub.agent.files import make_state_folder
from hub.agent.identity import IDENTITY_FILE, Identity, read_identity
from hub.agent.load import Event, encoded
from hub.agent.memory import give_back
from hub.agent.report import Reporter
from hub.agent.sequence import Sequence
from hub.agent.spool import Kind, Spool
from hub.agent.status import Status

TURN_SECONDS = 5.0  # what is watched is looked at this often
SEQUENCE_FILE = "sequence"
SPOOL_FOLDER = "spool"
LOCK_FILE = "lock"
_WARM_UP_SECONDS = 1.0
# Without events: refused by the hub, when the disk has no room to single out which.
_TAKEN = frozenset({Outcome.TAKEN, Outcome.TAKEN_WITHOUT_EVENTS})
_log = structlog.get_logger(__name__)


class Reports(Protocol):
    """Makes reports."""

    def report(self) -> dict[str, Any]:
        """Return the next report."""
        ...

    def forget_inventory(self) -> None:
        """Send the inventory again with the next report."""
        ...


class Events(Protocol):
    """Sees what happens on the host."""

    def poll(self) -> list[Event]:
        """Return what is new; again and again, until it is taken."""
        ...

    def taken(self) -> None:
        """Forget what the last poll returned: it is safe elsewhere."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


type Sources = tuple[Reports, Events | None]


class Agent:
    """One agent. It does its work in turns, so that a clock of any kind can drive it."""

    def __init__(
        self,
        folder: Path,
        client: HubClient,
        *,
        interval_seconds: float,
        reports: Reports,
        events: Events | None = None,
        spool: Spool | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spool = spool or Spool(folder / SPOOL_FOLDER, now=now)
        self.status = Status(started_at=now())
        self._folder = folder
        self._interval = interval_seconds
        self._reports = reports
        self._events = events
        self._now = now
        self._monotonic = monotonic
        self._due_at = monotonic()
        self._is_inventory_lost = False
        self._delivery = Delivery(self._poster(client), self.spool, monotonic=monotonic)

    @property
    def answer(self) -> Answer | None:
        """What the hub said last."""
        return self._delivery.answer

    def use(self, client: HubClient) -> None:
        """Go on with another key or another hub: this machine was enrolled again."""
        self._delivery.post = self._poster(client)
        self._delivery.try_again()
        self._reports.forget_inventory()

    def turn(self) -> float:
        """Do what is due; return after how many seconds the next turn is."""
        unbuffered = self._take_events()
        is_due = self._monotonic() >= self._due_at
        # Events do not wait for the interval: who acts on them wants them within seconds.
        is_urgent = bool(unbuffered or self.spool.oldest(Kind.EVENTS))
        if is_due or (is_urgent and not self._delivery.is_resting):
            self._report(unbuffered)
            self._due_at = self._monotonic() + self._interval
            give_back()
        if not self._delivery.is_resting:
            self._delivery.catch_up()
        self._save_status()
        return min(TURN_SECONDS, max(0.0, self._due_at - self._monotonic()))

    def _take_events(self) -> list[Event]:
        """Move what was seen to the disk; return it when the disk has no room for it."""
        seen = self._events.poll() if self._events else []
        if not seen or self._events is None:
            return []
        if self.spool.add(Kind.EVENTS, encoded(seen)):
            self._events.taken()
            return []
        return seen

    def _report(self, unbuffered: list[Event]) -> None:
        outcome = self._delivery.deliver(self._reports.report(), unbuffered)
        if outcome is Outcome.KEPT:
            self._is_inventory_lost = True  # it is not kept: it may be megabytes, and outdated
        elif self._is_inventory_lost:
            # Only now that the hub is back: reading it costs too much to do it in vain.
            self._is_inventory_lost = False
            self._reports.forget_inventory()
        if outcome in _TAKEN and unbuffered and self._events:
            self._events.taken()

    def _poster(self, client: HubClient) -> Callable[[bytes], Answer]:
        def post(body: bytes) -> Answer:
            answer = client.post(INGEST_PATH, body)
            self.status.note(answer, at=self._now())
            return answer

        return post

    def _save_status(self) -> None:
        self.status.buffered = self.spool.buffered()
        self.status.set_aside_events = self._delivery.set_aside
        self.status.save(self._folder, at=self._now())


def client_of(folder: Path, identity: Identity) -> HubClient:
    """Return a client that signs as this machine."""
    return HubClient(
        identity.url,
        identity.key,
        Sequence(folder / SEQUENCE_FILE),
        allow_plain_http=identity.allows_plain_http,
    )


def agent_of(
    folder: Path,
    identity: Identity,
    *,
    interval: float | None = None,
    reports: Reports | None = None,
    events: Events | None = None,
) -> Agent:
    """Return the agent of this machine."""
    return Agent(
        folder,
        client_of(folder, identity),
        interval_seconds=interval or identity.interval_seconds,
        reports=reports or Reporter(),
        events=events,
    )


def run(
    folder: Path,
    *,
    stop: threading.Event,
    interval: float | None = None,
    sources_of: Callable[[], Sources] | None = None,
) -> None:
    """Report until `stop` is set. The sources are opened once no other agent has the folder."""
    with only_agent(folder):
        identity = read_identity(folder)
        enrolled_at = _enrolled_at(folder)
        reports, events = sources_of() if sources_of else (None, None)
        agent = agent_of(folder, identity, interval=interval, reports=reports, events=events)
        _log.info("agent_started", server=identity.name, hub=identity.url)
        pause = _WARM_UP_SECONDS
        try:
            while not stop.wait(pause):
                pause = agent.turn()
                if _enrolled_at(folder) != enrolled_at:
                    enrolled_at = _enrolled_at(folder)
                    agent.use(client_of(folder, read_identity(folder)))
                    _log.info("agent_enrolled_again")
        finally:
            if events is not None:
                events.close()


def report_once(folder: Path, *, sources_of: Callable[[], Sources] | None = None) -> Answer:
    """Send one report, with the inventory. Takes a second: rates need two readings.

    It watches nothing: what is new since the last look is for the agent that runs.
    """
    with only_agent(folder):
        reports = sources_of()[0] if sources_of else None
        agent = agent_of(folder, read_identity(folder), reports=reports)
        time.sleep(_WARM_UP_SECONDS)
        agent.turn()
    return agent.answer or Answer(status=0, message="Nothing was sent.")


@contextmanager
def only_agent(folder: Path) -> Iterator[None]:
    """Hold the state folder: two agents would use up each other's numbers."""
    make_state_folder(folder)
    descriptor = _lock_file(folder)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock_file(folder: Path) -> int:
    try:
        return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise AgentError(
            f"No permission to write in the state folder {folder}. Run this as root, or choose"
            " another with --state-dir."
        ) from error


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AgentError(
            "An agent runs with this state folder already. Stop it first (`systemctl stop"
            " monsys-agent`), or name another with --state-dir."
        ) from error


def _enrolled_at(folder: Path) -> int:
    try:
        return (folder / IDENTITY_FILE).stat().st_mtime_ns
    except OSError:
        return 0
