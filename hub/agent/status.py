"""What the running agent last knew, for people who ask, and what they can do about a refusal."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.agent.client import Answer
from hub.agent.files import write_whole
from hub.agent.spool import Buffered

STATUS_FILE = "status.json"
_MINUTE = 60


@dataclass
class Status:
    """Times are seconds since 1970."""

    started_at: float
    written_at: float = 0.0
    last_accepted_at: float | None = None
    refused_at: float | None = None
    refusal_status: int | None = None
    refusal: str = ""
    is_clock_wrong: bool = False
    clock_ahead_seconds: float | None = None
    set_aside_events: int = 0
    buffered: Buffered | None = None

    def note(self, answer: Answer, *, at: float) -> None:
        """Remember an answer. A refusal stays until the next report is accepted."""
        if answer.clock_ahead_seconds is not None:
            self.clock_ahead_seconds = answer.clock_ahead_seconds
        if answer.is_accepted:
            self.last_accepted_at = at
            self.refused_at = self.refusal_status = None
            self.refusal, self.is_clock_wrong = "", False
        else:
            self.refused_at, self.refusal_status = at, answer.status
            self.refusal, self.is_clock_wrong = answer.message, answer.is_clock_wrong

    def save(self, folder: Path, *, at: float) -> None:
        """Write it down; not worth an error when the disk is full."""
        self.written_at = at
        with suppress(OSError):
            content = json.dumps(asdict(self)).encode()
            write_whole(folder / STATUS_FILE, content, is_durable=False)


def read_status(folder: Path) -> Status | None:
    """Return what the agent wrote down last; None when it never ran."""
    try:
        content: dict[str, Any] = json.loads((folder / STATUS_FILE).read_bytes())
        buffered = content.pop("buffered")
        return Status(**content, buffered=Buffered(**buffered) if buffered else None)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def advice(status: Status) -> str:
    """Return what to do about the last refusal."""
    code = status.refusal_status or 0
    if status.is_clock_wrong:
        ahead = status.clock_ahead_seconds or 0.0
        word = "ahead of" if ahead > 0 else "behind"
        return (
            f"This machine's clock is {abs(ahead) / _MINUTE:.0f} minutes {word} the hub's. Set it"
            " (`timedatectl set-ntp true`); reports go on by themselves then."
        )
    if 200 <= code < 400 or code in {404, 405}:  # noqa: PLR2004 - a success of something else, redirects
        return _ELSEWHERE
    return _ADVICE.get(code, _BUSY if code >= 500 else _OTHER)  # noqa: PLR2004


_ENROL_AGAIN = (
    "The hub does not trust this machine's key (any more). Enrol it again: `monsys agent enroll`"
    " with a new token; it stays the same server. If another machine was cloned from this one, give"
    " one of them a machine id of its own (`systemd-machine-id-setup`) first."
)
_BUSY = "Nothing to do: what is reported waits on disk, and is sent when the hub takes it again."
_ELSEWHERE = "The address leads to something else. Enrol again with the right `--url`."
_OTHER = "Bring agent and hub to the same version, and look at the agent's log."
_ADVICE = {
    0: "Check that this machine reaches the hub; what is reported waits on disk meanwhile.",
    401: _ENROL_AGAIN,
    403: _ENROL_AGAIN,
    429: _BUSY,
}
