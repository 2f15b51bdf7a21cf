"""`monsys agent status`, in words."""

import time
from dataclasses import dataclass
from pathlib import Path

from hub.agent.files import STATUS_AGE_SECONDS
from hub.agent.identity import read_identity
from hub.agent.status import Status, advice, read_status

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_NOTABLE_CLOCK_SECONDS = 5
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """What to print, and whether all is well."""

    text: str
    is_well: bool


def status_page(folder: Path) -> Page:
    """Return how the agent is; raises AgentError when the machine is not enrolled."""
    identity = read_identity(folder)
    lines = [
        ("Enrolled as", f"{identity.name} ({identity.agent_id})"),
        ("Hub", identity.url),
    ]
    status, now = read_status(folder), time.time()
    if status is None:
        lines.append(("Last report", "none yet; start `monsys agent run` or the service"))
        return Page(_aligned(lines), is_well=False)
    silent = _silent_seconds(status, now, identity.interval_seconds)
    lines.append(("Agent", _running(status, now, silent)))
    lines.append(("Last accepted", _ago(status.last_accepted_at, now)))
    lines.append(("Buffered", _buffered(status, now)))
    lines += _losses(status)
    ahead = status.clock_ahead_seconds
    if ahead is not None and abs(ahead) >= _NOTABLE_CLOCK_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        lines.append(("Clock", f"{_span(abs(ahead))} {side} the hub's"))
    if status.refused_at is not None:
        lines.append(("Last refusal", f"{_ago(status.refused_at, now)}: {status.refusal}"))
        lines.append(("What to do", advice(status)))
    return Page(_aligned(lines), is_well=status.refused_at is None and not silent)


def _silent_seconds(status: Status, now: float, interval: float) -> float:
    """Return for how long a stopped agent gave no sign; 0 for one that runs."""
    silent = now - status.written_at
    return silent if silent > max(interval * 2, STATUS_AGE_SECONDS) else 0.0


def _running(status: Status, now: float, silent: float) -> str:
    if silent:
        return f"does not run (last sign of it {_span(silent)} ago)"
    return f"runs since {_span(now - status.started_at)}"


def _buffered(status: Status, now: float) -> str:
    buffered = status.buffered
    if buffered is None or buffered.oldest_at is None:
        return "nothing"
    return (
        f"{buffered.bytes / _MEGABYTE:.1f} MB of 100 MB in {buffered.events_entries} files of"
        f" events and {buffered.metrics_entries} of metrics, the oldest from"
        f" {_ago(buffered.oldest_at, now)}"
    )


def _losses(status: Status) -> list[tuple[str, str]]:
    buffered = status.buffered
    lines = []
    if buffered and (buffered.dropped_events or buffered.dropped_metrics):
        lost = (
            f"{buffered.dropped_metrics} files of metrics and {buffered.dropped_events} of events"
        )
        lines.append(("Given up", f"{lost}, the oldest, for lack of room"))
    if buffered and buffered.damaged:
        lines.append(("Damaged", f"{buffered.damaged} files, set aside in `spool/damaged`"))
    if status.set_aside_events:
        lines.append(("Not taken", f"{status.set_aside_events} events that the hub refused"))
    return lines


def _ago(at: float | None, now: float) -> str:
    return "never" if at is None else f"{_span(max(0.0, now - at))} ago"


def _span(seconds: float) -> str:
    for size, name in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a second"


def _aligned(lines: list[tuple[str, str]]) -> str:
    width = max(len(label) for label, _ in lines) + 2
    return "\n".join(f"{label:<{width}}{text}" for label, text in lines)
