"""The number of each signed request: always higher than the one before.

Numbers are milliseconds since 1970, so that an agent that lost its state goes on without being
enrolled again. What was handed out is remembered a minute ahead, in case the clock is set back.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from hub.agent.files import write_whole

_RESERVED = 60_000  # a minute's worth: one small write a minute
# A hub that names a number beyond this is mistaken, and would use up all that there are.
_HIGHEST_BELIEVABLE = 10**17


class Sequence:
    """Hands out numbers, and remembers a bound of what it handed out."""

    def __init__(self, path: Path | None, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._last = self._reserved = _read(path)

    def next(self) -> int:
        """Return a number that was never used."""
        self._last = max(self._last + 1, int(self._now() * 1000))
        if self._last >= self._reserved:
            self._reserve()
        return self._last

    def raise_above(self, used: int) -> bool:
        """Go on above a number that the hub has seen; False when there is nothing to mend."""
        if not self._last <= used + 1 <= _HIGHEST_BELIEVABLE:
            return False
        self._last = max(self._last, used)
        self._reserve()
        return True

    def _reserve(self) -> None:
        self._reserved = self._last + _RESERVED
        if self._path is not None:
            with contextlib.suppress(OSError):  # a full disk: the clock alone has to do
                write_whole(self._path, str(self._reserved).encode(), is_durable=False)


def _read(path: Path | None) -> int:
    try:
        number = int(path.read_text("ascii")) if path is not None else 0
    except (OSError, ValueError):
        return 0
    return number if 0 <= number <= _HIGHEST_BELIEVABLE else 0
