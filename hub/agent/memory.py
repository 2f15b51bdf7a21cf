"""Memory that is free again is given back: an agent may have 60 MB, and an inventory takes some."""

import ctypes
import gc
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`; other C libraries give memory back by themselves, or never."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


def give_back() -> None:
    """Give back to the system what was needed for a moment; takes about a millisecond."""
    gc.collect()
    trim = _trim()
    if trim is not None:
        trim(0)
