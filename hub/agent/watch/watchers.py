"""All watchers of a host together, as the agent's runner asks them.

watchers = Watchers(state_folder, configuration)
while running:
    events = watchers.poll()     # every few seconds; each is one `Event` of a report
    if events:
        put them where they are durable
        watchers.taken()
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from hub.agent.configuration import Configuration
from hub.agent.watch import store
from hub.agent.watch.default import watchers_of
from hub.agent.watch.observed import ObservedEvent, digest_of, encoded
from hub.agent.watch.watcher import Look, Watcher
from hub.clock import utc_now

POLL_SECONDS = 5.0  # how often to ask: a read of a honeypot must be known within ten seconds
MAX_EVENTS_A_POLL = 500
_MAX_WAITING = 5_000
_MAX_SECONDS_A_POLL = 2.0
_MAX_LOOKS_AT_ONCE = 32
_RETRY_SECONDS = 60.0
_log = structlog.get_logger(__name__)


class Watchers:
    """Asks each watcher when its time has come; one that fails is asked again a minute later."""

    def __init__(
        self,
        state_folder: Path,
        configuration: Configuration,
        *,
        watchers: Sequence[Watcher] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = state_folder / "watch.json"
        self._remembered = store.load(self._path)
        self._watchers = watchers_of(configuration) if watchers is None else list(watchers)
        self._due = {watcher.name: 0.0 for watcher in self._watchers}
        self._handed_out = 0
        self._monotonic = monotonic
        self._now = now

    def poll(self) -> list[dict[str, Any]]:
        """Return events that wait to be told, oldest first, at most MAX_EVENTS_A_POLL.

        They come again, with the same ids, until `taken` says that they are safe elsewhere, even
        after a crash in between.
        """
        started = self._monotonic()
        has_changed = False
        for watcher in sorted(self._watchers, key=lambda watcher: self._due[watcher.name]):
            if self._monotonic() - started > _MAX_SECONDS_A_POLL:
                break  # those left out are the first of the next poll
            if self._due[watcher.name] <= started and len(self._remembered.outbox) < _MAX_WAITING:
                has_changed |= self._ask(watcher, until=started + _MAX_SECONDS_A_POLL)
        if has_changed:
            self._save()
        waiting = self._remembered.outbox[:MAX_EVENTS_A_POLL]
        self._handed_out = len(waiting)
        return waiting

    def taken(self) -> None:
        """Forget the events that the last `poll` returned: they are durable elsewhere."""
        if self._handed_out:
            del self._remembered.outbox[: self._handed_out]
            self._handed_out = 0
            self._save()

    def close(self) -> None:
        """Let go of what the watchers hold open."""
        for watcher in self._watchers:
            watcher.close()

    def _ask(self, watcher: Watcher, *, until: float) -> bool:
        """Let one watcher look; return whether there is something to be saved."""
        has_changed = False
        self._due[watcher.name] = self._monotonic() + watcher.every_seconds
        try:
            for _ in range(_MAX_LOOKS_AT_ONCE):
                before = self._remembered.memories.get(watcher.name)
                look = watcher.look(before, now=self._now())
                has_changed |= self._take_over(watcher, look)
                is_full = len(self._remembered.outbox) >= _MAX_WAITING
                if not look.has_more or is_full or self._monotonic() > until:
                    break
        except Exception:  # noqa: BLE001 - an outermost edge
            # One broken watcher must not silence the others, whatever its fault is.
            _log.exception("watcher_failed", watcher=watcher.name)
            self._due[watcher.name] = self._monotonic() + _RETRY_SECONDS
        return has_changed

    def _take_over(self, watcher: Watcher, look: Look) -> bool:
        remembered = self._remembered
        has_changed = bool(look.events) or look.memory != remembered.memories.get(watcher.name)
        if has_changed:
            remembered.turn += 1
            remembered.outbox += [
                encoded(event, identity=self._identity(watcher, event, place))
                for place, event in enumerate(look.events)
            ]
            remembered.memories[watcher.name] = look.memory
        return has_changed

    def _identity(self, watcher: Watcher, event: ObservedEvent, place: int) -> str:
        remembered = self._remembered
        if event.key is not None:
            return digest_of(event.kind, event.key)
        # With what it says: after a full disk kept the turn from being saved, turns come again.
        told = (event.kind, event.summary, event.path, event.command, event.raw)
        return digest_of(remembered.epoch, watcher.name, remembered.turn, place, *told)

    def _save(self) -> None:
        try:
            store.save(self._path, self._remembered)
        except OSError as error:
            # A full disk: events still go out, and a restart would look at the same things again.
            _log.warning("watch_state_not_saved", reason=error.strerror)
