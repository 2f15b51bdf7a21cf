"""What the garbage collector has to look at."""

import gc

# Objects made and not yet freed before the young, the middle and the old are walked. The old are
# what connections, keys and caches hold: walking them takes some 40 ms with ten thousand hosts,
# and with Python's own figures it was done every two seconds to find a few hundred objects. With
# these it is done every few minutes; what waits for it is a few megabytes.
_YOUNG, _MIDDLE, _OLD = 2_000, 20, 200


def freeze_what_stays() -> None:
    """Take everything that start-up made out of the garbage collector's sight.

    Schema, tables and compiled statements are some 200,000 objects that live as long as the
    process. Each full collection would walk them all, and the calls of that moment would wait: it
    made the slowest one in a hundred eight times slower than the median.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
