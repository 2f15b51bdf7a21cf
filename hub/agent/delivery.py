"""Getting reports to the hub: fresh ones first, with the oldest events; then what was buffered.

An answer decides what becomes of a report. Accepted: forgotten. Perhaps later (the hub is away or
busy, or does not trust this agent): kept on disk. Never (malformed, too large, too old): given up,
because sent again it would be refused again, and everything behind it would wait for ever.
"""

import random
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

import structlog

from hub.agent.client import Answer
from hub.agent.load import MAX_EVENTS, Event, Load, encoded
from hub.agent.spool import Kind, Spool
from hub.agent.watch.observed import one_line

# Together with a fresh report every five seconds this stays below the hub's 240 a minute.
BACKLOG_A_TURN = 10
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_ASKED_FOR = 600.0  # a hub that asks for more is mistaken
_REFUSED_FOR_GOOD = frozenset({413, 422})
# A hub that stumbles over what is in a report, or something before it that takes it for an attack.
_STUMBLED = frozenset({400, 403, 406, 500})
_PATIENCE_SECONDS = 3600.0  # with one thing over which the hub stumbles, when it takes others
# What a report keeps on disk: an inventory is read anew when the hub is back.
_METRICS = ("at", "agent_version", "system", "figures")
_log = structlog.get_logger(__name__)

type Report = Mapping[str, Any]


class Outcome(Enum):
    """What became of a fresh report and the events that went with it."""

    TAKEN = auto()
    TAKEN_WITHOUT_EVENTS = auto()  # they wait, or the one at fault is set aside
    KEPT = auto()  # its metrics and all events are on disk
    REFUSED = auto()  # for good; the events wait


class Delivery:
    """Sends, buffers, and knows when to try again."""

    def __init__(
        self,
        post: Callable[[bytes], Answer],
        spool: Spool,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.post = post
        self.answer: Answer | None = None  # the last one, for the status
        self.set_aside = 0
        self._spool = spool
        self._monotonic = monotonic
        self._pause = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self._limit = MAX_EVENTS
        self._stumbling: tuple[str | int, float] = ("", 0.0)
        self._said: tuple[int, str] | None = None

    @property
    def is_resting(self) -> bool:
        """Whether the hub is to be left alone for now."""
        return self._monotonic() < self._not_before

    def deliver(self, report: Report, unbuffered: list[Event]) -> Outcome:
        """Send a fresh report with events, or buffer it.

        Unbuffered events are those for which the disk has no room: they go first.
        """
        if self.is_resting:
            return self._kept(report)
        load = Load([]) if unbuffered else Load.oldest(self._spool, limit=self._limit)
        events = unbuffered or load.events
        answer = self._send(encoded({**report, "events": events} if events else report))
        if answer.is_accepted:
            load.acknowledge(self._spool)
            self._note_refused(answer)
            self._limit = MAX_EVENTS
            return Outcome.TAKEN
        if events and (_is_refused_for_good(answer) or answer.status in _STUMBLED):
            outcome = self._alone(report)
            if outcome is Outcome.TAKEN:  # so it was the events that the hub refused
                self._single_out(load, answer)
                return Outcome.TAKEN_WITHOUT_EVENTS
            return outcome
        return self._given_up(answer) if _is_refused_for_good(answer) else self._kept(report)

    def catch_up(self) -> None:
        """Send some of the buffered metrics, oldest first, when the hub is there."""
        for _ in range(BACKLOG_A_TURN):
            entry = self._spool.oldest(Kind.METRICS)
            if entry is None or self.is_resting:
                return
            content = self._spool.read(entry)
            if content is None:
                continue
            answer = self._send(content)
            is_hopeless = _is_refused_for_good(answer) or self._is_hopeless(answer, entry.number)
            if answer.is_accepted or is_hopeless:
                self._spool.remove(entry)
            if is_hopeless:
                _log.warning("buffered_report_refused", reason=answer.message)

    def try_again(self) -> None:
        """Forget earlier refusals: something about this agent was mended."""
        self._pause, self._not_before = _FIRST_PAUSE_SECONDS, 0.0
        self._said = None

    def _send(self, body: bytes) -> Answer:
        self.answer = answer = self.post(body)
        if answer.is_accepted or _is_refused_for_good(answer):
            self.try_again()
        else:
            # With jitter: a fleet must not return in step after an outage.
            jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
            asked_for = min(answer.retry_after_seconds or 0.0, _LONGEST_PAUSE_ASKED_FOR)
            self._not_before = self._monotonic() + max(self._pause * jitter, asked_for)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
            self._say_once(answer)
        return answer

    def _say_once(self, answer: Answer) -> None:
        """Warn when the hub says something new: an outage of a week is no week of warnings."""
        words = (answer.status, answer.message)
        tell = _log.debug if words == self._said else _log.warning
        tell("report_not_taken", status=answer.status, reason=answer.message)
        self._said = words

    def _alone(self, report: Report) -> Outcome:
        answer = self._send(encoded(report))
        if answer.is_accepted:
            return Outcome.TAKEN
        return self._given_up(answer) if _is_refused_for_good(answer) else self._kept(report)

    def _kept(self, report: Report) -> Outcome:
        told = {name: report[name] for name in _METRICS if name in report}
        if not self._spool.add(Kind.METRICS, encoded(told)):
            _log.warning("report_not_buffered")
        return Outcome.KEPT

    @staticmethod
    def _given_up(answer: Answer) -> Outcome:
        _log.warning("report_refused", status=answer.status, reason=answer.message)
        return Outcome.REFUSED

    def _single_out(self, load: Load, answer: Answer) -> None:
        """Send fewer events the next time, until the one that is refused is alone; let it go."""
        if len(load.events) > 1:
            self._limit = max(1, len(load.events) // 2)
            return
        for event in load.events:
            identity = str(event.get("id"))
            if not _is_refused_for_good(answer) and not self._is_hopeless(answer, identity):
                return  # a hub that stumbles may be mended soon
            _log.error("event_refused", id=identity, reason=answer.message)
            self.set_aside += 1
            load.acknowledge(self._spool)
            self._limit = MAX_EVENTS

    def _is_hopeless(self, answer: Answer, what: str | int) -> bool:
        """Tell whether the hub has stumbled over this very thing for too long."""
        if answer.status not in _STUMBLED:
            return False
        if self._stumbling[0] != what:
            self._stumbling = (what, self._monotonic())
        return self._monotonic() - self._stumbling[1] >= _PATIENCE_SECONDS

    def _note_refused(self, answer: Answer) -> None:
        """Count the events of an accepted report that the hub did not take."""
        refused = (answer.content or {}).get("refused_events")
        for event in refused if isinstance(refused, list) else ():
            _log.warning("event_not_taken", refused=one_line(str(event), 300))
            self.set_aside += 1


def _is_refused_for_good(answer: Answer) -> bool:
    """Tell whether the same report would be refused again, however long one waits.

    A wrong clock is mended on this machine, and then the same report is signed anew.
    """
    return answer.status in _REFUSED_FOR_GOOD and not answer.is_clock_wrong
