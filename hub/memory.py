"""What the garbage collector has to look at."""

import gc


def freeze_what_stays() -> None:
    """Take everything that start-up made out of the garbage collector's sight.

    Schema, tables and compiled statements are some 200,000 objects that live as long as the
    process. Each full collection would walk them all, and the calls of that moment would wait: it
    made the slowest one in a hundred eight times slower than the median.
    """
    gc.collect()
    gc.freeze()
