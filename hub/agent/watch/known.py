"""A bounded set of what was seen already, the oldest of it forgotten first."""

from collections.abc import Iterable

MAX_KNOWN = 5_000


class Known:
    """Remembers texts in the order in which they were seen first."""

    def __init__(self, remembered: Iterable[str] = ()) -> None:
        self._texts = dict.fromkeys(remembered)

    def is_new(self, text: str) -> bool:
        """Tell whether the text was never seen; from now on it was."""
        if text in self._texts:
            return False
        self._texts[text] = None
        if len(self._texts) > MAX_KNOWN:
            del self._texts[next(iter(self._texts))]
        return True

    def memory(self) -> list[str]:
        """Return what to remember."""
        return list(self._texts)
